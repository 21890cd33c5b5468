"""One revision under the gate: a process that forks others, which run cases on request.

Run as a script, with the revision's tree on PYTHONPATH: ``alexbench`` is then that revision's,
while this file and ``counters.py`` are the gate's own. Importing torch takes seconds; so that is
done once, and each role of each look is a fork of it. Talks JSON, a line at a time:

    {"open": role, "cases": [...], "counting": true} -> {"package": ..., "counters": {case: ...},
                                                         "broken": {case: error}}
    {"role": role, "case": case, "calls": 10}        -> {"work": seconds, "wall": seconds}
    {"close": role}                                  -> {}

A case that raises in this revision, as one does whose API it lacks, is in ``broken``.
"""

import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], object]
CHANNELS_LAST = torch.channels_last


Shape = tuple[int, int, int, int]
Size = TypeVar("Size")


def loaded(device: torch.device, small: Size, large: Size) -> Size:
    """The size of a case. On one CPU thread ten calls, a sample, take 5 to 20 ms.

    A GPU has to be busy for longer than the host takes to launch its kernels (some 70 of a step,
    5 us each): else the host is what is timed.
    """
    return large if device.type == "cuda" else small


def lrn(device: torch.device, implementation: str, shape: Shape) -> Call:
    """Forward and backward of LRN."""
    from alexbench.kernels import local_response_norm

    x, g = (torch.randn(shape, device=device) for _ in "xg")
    x = x.contiguous(memory_format=CHANNELS_LAST).requires_grad_()
    g = g.contiguous(memory_format=CHANNELS_LAST)

    def call() -> object:
        y = local_response_norm(x, 5, 5e-4, 0.75, 2.0, implementation=implementation)
        return torch.autograd.grad(y, x, g)

    return call


def held(images: int) -> Any:
    """A split of so many images of 32 x 32, held in memory."""
    from alexbench.data.dataset import HeldSplit

    pixels = torch.randint(256, (images, 32, 32, 3), dtype=torch.uint8)
    return HeldSplit(pixels, torch.arange(images) % 10)


def augment(device: torch.device) -> Call:
    """Crops, mirror images and colour noise of images of 32 x 32."""
    from alexbench.config.schema import AugmentConfig, DataConfig
    from alexbench.data import Pixels

    split = held(loaded(device, 128, 8192))
    crops = AugmentConfig(crop_size=32, padding=4)
    pixels = Pixels(split, DataConfig(image_size=32), crops, device)
    generator, images = torch.Generator().manual_seed(0), split.images.to(device)
    return lambda: pixels.augment(images, generator)


def batches(device: torch.device) -> Call:
    """An epoch of batches of 128 images in random order."""
    from alexbench.data import batches as read

    split = held(loaded(device, 1024, 16384))
    order = torch.randperm(len(split.labels))
    return lambda: [labels for _, labels in read(split, order, 128, device)]


def begun(device: torch.device, model: dict[str, Any]) -> Any:
    """A net on images of 32 x 32 and its optimizer, before the first step."""
    from alexbench.config.schema import AugmentConfig, Config, ModelConfig
    from alexbench.training.train import start

    config = Config(model=ModelConfig(**model), augment=AugmentConfig(crop_size=32))
    return start(config, 10, 0, device)


def step(device: torch.device, model: dict[str, Any], batch: int) -> Call:
    """A training step on images of 32 x 32."""
    from alexbench.training.train import train_step

    state = begun(device, model)
    state.net.train()
    weight = next(each for each in state.net.parameters() if each.dim() == 4)
    layout = torch.contiguous_format if weight.is_contiguous() else CHANNELS_LAST
    inputs = torch.randn(batch, 3, 32, 32, device=device).contiguous(memory_format=layout)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    return lambda: train_step(state, inputs, labels)


def evaluation(device: torch.device) -> Call:
    """The errors of a net on a split, as after each epoch."""
    from alexbench.config.schema import AugmentConfig, DataConfig
    from alexbench.data import Pixels
    from alexbench.training.evaluate import evaluate

    split, state = held(loaded(device, 4, 2000)), begun(device, {"name": "cifar4"})
    pixels = Pixels(split, DataConfig(image_size=32), AugmentConfig(crop_size=32), device)
    return lambda: evaluate(state.net, split, pixels)


def checkpoint(device: torch.device) -> Call:
    """A checkpoint of a small net, written to the disk."""
    from alexbench.training.checkpoint import Checkpoints

    state = begun(device, {"name": "cifar4"})
    kept = Checkpoints(Path(tempfile.mkdtemp()), "gate", "0" * 64, seconds=0.0)
    return lambda: kept.keep(state)


def step_alexnet_small(device: torch.device) -> Call:
    """A training step of alexnet_small, on CUDA at full width."""
    width = loaded(device, 0.125, 1.0)
    model = {"name": "alexnet_small", "width": width, "init": "fan_in"}
    return step(device, model, loaded(device, 1, 1024))


LARGE: Shape = (128, 96, 55, 55)  # conv1 of AlexNet, larger than a GPU's L2 cache
CUDA_STEP_IMAGES = 2048
CASES: dict[str, Callable[[torch.device], Call]] = {
    "lrn_auto": lambda device: lrn(device, "auto", loaded(device, (16, 64, 16, 16), LARGE)),
    "lrn_banded": lambda device: lrn(device, "banded", loaded(device, (4, 64, 16, 16), LARGE)),
    "augment": augment,
    "batches": batches,
    "step_cifar4": lambda device: step(
        device, {"name": "cifar4"}, loaded(device, 1, CUDA_STEP_IMAGES)
    ),
    "step_alexnet_small": step_alexnet_small,
    "evaluation": evaluation,
    "checkpoint": checkpoint,
}


def count(make: Callable[[], Call], device: torch.device) -> dict[str, int]:
    """FLOPs, operator calls and peak memory of a call: equal for equal code."""
    path = Path(__file__).with_name("counters.py")
    spec = importlib.util.spec_from_file_location("counters", path)
    assert spec is not None
    assert spec.loader is not None
    counters = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(counters)
    memory = counters.peak_memory_bytes(make, device)
    call = make()
    call()
    flops = FlopCounterMode(display=False)
    with flops:
        call()
    return {
        "flops": flops.get_total_flops(),
        "operator_calls": counters.operator_calls(call),
        "peak_memory_bytes": memory,
    }


def seconds(call: Call, calls: int, device: torch.device) -> dict[str, float]:
    """Seconds of so many calls: what a user waits for, and of that the work.

    work: CPU time of this process with all its threads; on CUDA device time. wall: less the time
    in the queue for a processor, which a busy neighbour makes.
    """
    on_cuda = device.type == "cuda"
    if on_cuda:
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        began.record()
    wall, work = time.perf_counter() - queued(), time.process_time()
    for _ in range(calls):
        call()
    if on_cuda:
        ended.record()
        torch.cuda.synchronize(device)
    wall, work = time.perf_counter() - queued() - wall, time.process_time() - work
    wall = (
        max(wall, 1e-9) if on_cuda else max(wall, work)
    )  # the wait is known in steps of the clock
    return {"work": float(began.elapsed_time(ended)) / 1000 if on_cuda else work, "wall": wall}


def queued() -> float:
    """Seconds that this thread has waited for a processor; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def serve(pipe: Connection, device: torch.device, cases: list[str], counting: bool) -> None:
    """The life of a fork: make the cases, say what they count, then time calls."""
    if device.type == "cuda":
        torch.cuda.set_device(device)  # for events and for Triton
        torch.backends.cudnn.allow_tf32 = False  # as in a run, where ieee is the default
    calls: dict[str, Call] = {}
    counted: dict[str, dict[str, int]] = {}
    broken: dict[str, str] = {}
    for name in cases:
        torch.manual_seed(0)
        try:
            calls[name] = CASES[name](device)
            calls[name]()
            counted[name] = count(partial(CASES[name], device), device) if counting else {}
        except Exception as error:  # an API of another time fails in nearly every way
            broken[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
    pipe.send({"package": package(), "counters": counted, "broken": broken})
    while True:
        request = pipe.recv()
        pipe.send(seconds(calls[request["case"]], request["calls"], device))


def main(device: torch.device) -> None:
    torch.set_num_threads(1)
    package()
    forks = get_context("fork")
    roles: dict[str, tuple[Connection, BaseProcess]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: object = {}
        if role := request.get("close"):
            roles.pop(role)[1].kill()
        elif role := request.get("open"):
            pipe, end = forks.Pipe()
            arguments = (end, device, request["cases"], request["counting"])
            process = forks.Process(target=serve, args=arguments, daemon=True)
            process.start()
            end.close()
            roles[role] = pipe, process
            answer = pipe.recv()
        else:
            pipe, _ = roles[request["role"]]
            pipe.send(request)
            answer = pipe.recv()
        print(json.dumps(answer), flush=True)


def package() -> str:
    """Where ``alexbench`` is imported from."""
    import alexbench

    return str(Path(str(alexbench.__file__)).parents[1])


if __name__ == "__main__":
    main(torch.device(sys.argv[1]))
