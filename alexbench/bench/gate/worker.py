"""One revision under the gate: a process that forks others, which run cases on request.

Run as a script, with the revision's tree on PYTHONPATH: ``alexbench`` is then that revision's,
while this file and ``counters.py`` are the gate's own. Importing torch takes seconds; so that is
done once, and each role of each look is a fork of it. Talks JSON, a line at a time:

    {"open": role, "cases": [...], "counting": true} -> {"package": ..., "counters": {case: ...}}
    {"role": role, "case": case, "calls": 10}        -> {"seconds": ...}
    {"close": role}                                  -> {}

A case whose API the revision does not have is left out of the first answer.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], object]
CHANNELS_LAST = torch.channels_last


class Load(NamedTuple):
    """How large the cases are."""

    lrn_auto: tuple[int, int, int, int]
    lrn_banded: tuple[int, int, int, int]
    augment: int  # images, as in the steps
    step_cifar4: int
    step_alexnet_small: int
    width: float  # of alexnet_small
    calibration: int


# On one CPU thread ten calls, a sample, take 5 to 20 ms. A GPU has to be busy for longer than the
# host takes to launch its kernels (some 70 of a step, 5 us each): else the host is what is timed.
LOADS = {
    "cpu": Load((16, 64, 16, 16), (4, 64, 16, 16), 128, 1, 1, 0.125, 4),
    "cuda": Load((128, 96, 55, 55), (128, 96, 55, 55), 8192, 2048, 1024, 1.0, 512),
}


def lrn(device: torch.device, implementation: str, shape: tuple[int, int, int, int]) -> Call:
    """Forward and backward of LRN."""
    from alexbench.kernels import local_response_norm

    x, g = (torch.randn(shape, device=device) for _ in "xg")
    x = x.contiguous(memory_format=CHANNELS_LAST).requires_grad_()
    g = g.contiguous(memory_format=CHANNELS_LAST)

    def call() -> object:
        y = local_response_norm(x, 5, 5e-4, 0.75, 2.0, implementation=implementation)
        return torch.autograd.grad(y, x, g)

    return call


def augment(device: torch.device) -> Call:
    """Crops and flips of images of 32 x 32."""
    from alexbench.config.schema import AugmentConfig, DataConfig
    from alexbench.data import Pixels
    from alexbench.data.dataset import HeldSplit

    count = LOADS[device.type].augment
    images = torch.randint(256, (count, 32, 32, 3), dtype=torch.uint8)
    split = HeldSplit(images, torch.zeros(count, dtype=torch.int64))
    crops = AugmentConfig(crop_size=32, padding=4)
    pixels = Pixels(split, DataConfig(image_size=32), crops, device)
    generator, images = torch.Generator().manual_seed(0), images.to(device)
    return lambda: pixels.augment(images, generator)


def step(device: torch.device, model: dict[str, Any], batch: int) -> Call:
    """A training step on images of 32 x 32."""
    from alexbench.config.schema import AugmentConfig, Config, ModelConfig
    from alexbench.training.train import start, train_step

    config = Config(model=ModelConfig(**model), augment=AugmentConfig(crop_size=32))
    state = start(config, 10, 0, device)
    state.net.train()
    inputs = torch.randn(batch, 3, 32, 32, device=device).contiguous(memory_format=CHANNELS_LAST)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    return lambda: train_step(state, inputs, labels)


def calibration(device: torch.device) -> Call:
    """A convolution of torch's own: what the machine does whatever the revision."""
    batch = LOADS[device.type].calibration
    x = torch.randn(batch, 32, 16, 16, device=device).contiguous(memory_format=CHANNELS_LAST)
    weight = torch.randn(32, 32, 5, 5, device=device).contiguous(memory_format=CHANNELS_LAST)
    return lambda: F.conv2d(x, weight, padding=2)


CASES: dict[str, Callable[[torch.device], Call]] = {
    "lrn_auto": lambda device: lrn(device, "auto", LOADS[device.type].lrn_auto),
    "lrn_banded": lambda device: lrn(device, "banded", LOADS[device.type].lrn_banded),
    "augment": augment,
    "step_cifar4": lambda device: step(device, {"name": "cifar4"}, LOADS[device.type].step_cifar4),
    "step_alexnet_small": lambda device: step(
        device,
        {"name": "alexnet_small", "width": LOADS[device.type].width, "init": "fan_in"},
        LOADS[device.type].step_alexnet_small,
    ),
    "calibration": calibration,
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


def seconds(call: Call, calls: int, device: torch.device) -> float:
    """CPU time of this thread, in which all the work is done; on CUDA device time."""
    if device.type == "cuda":
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        for _ in range(calls):
            call()
        ended.record()
        torch.cuda.synchronize(device)
        return float(began.elapsed_time(ended)) / 1000
    start = time.thread_time()
    for _ in range(calls):
        call()
    return time.thread_time() - start


def serve(pipe: Connection, device: torch.device, cases: list[str], counting: bool) -> None:
    """The life of a fork: make the cases, say what they count, then time calls."""
    if device.type == "cuda":
        torch.cuda.set_device(device)  # for events and for Triton
    calls: dict[str, Call] = {}
    counted: dict[str, dict[str, int]] = {}
    for name in cases:
        torch.manual_seed(0)
        try:
            calls[name] = CASES[name](device)
        except (ImportError, TypeError, ValueError):  # an API of another time
            continue
        calls[name]()
        counted[name] = count(partial(CASES[name], device), device) if counting else {}
    pipe.send({"package": package(), "counters": counted})
    while True:
        request = pipe.recv()
        pipe.send({"seconds": seconds(calls[request["case"]], request["calls"], device)})


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
