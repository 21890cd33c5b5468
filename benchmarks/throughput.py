"""Training against a bare loop and a textbook's, interleaved: python -m benchmarks.throughput."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn, profiler
from torch.nn import functional as F

from alexbench import models
from alexbench.bench.peaks import GEMM_SIDE
from alexbench.bench.steps import conv_flops
from alexbench.bench.timing import interleave, spread
from alexbench.cli.app import print_rows
from alexbench.config.load import load_ablation
from alexbench.config.schema import (
    AugmentConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    TrainConfig,
)
from alexbench.data import Pixels
from alexbench.data.dataset import Dataset, HeldSplit, hold
from alexbench.errors import BadInput
from alexbench.launch.slots import one_device, use_threads
from alexbench.training.allocator import keep_memory
from alexbench.training.numerics import cpu_has_bf16, memory_format, prepare
from alexbench.training.state import now
from alexbench.training.train import train
from benchmarks.textbook import textbook_epochs

BATCH_SIZE, NUM_CLASSES = 128, 10
TRACED_STEPS = 10
STEPS = {
    ("cifar4", "cpu"): 12,
    ("cifar4", "cuda"): 300,
    ("alexnet", "cpu"): 1,
    ("alexnet", "cuda"): 30,
}
GRAPH = {"cuda_graph": True}
# further arms of ``train`` on CUDA
ON_CUDA: dict[str, dict[str, object]] = {
    "alexbench_graph": GRAPH,
    "alexbench_graph_tf32": GRAPH | {"precision": "tf32"},
    "alexbench_graph_bf16": GRAPH | {"precision": "bf16"},
}
CPU = torch.device("cpu")
LRN_OR_NONE = {
    "title": "A step with LRN",
    "question": "How much longer is a step with LRN?",
    "baseline": "none",
    "metrics": ["test_error"],
    "matrix": {"model.lrn": ["none", "both"]},
}
PROMISED = {"laptop": "at most 1.15", "cifar10-short": "at most 1.08"}


@dataclass(frozen=True)
class Throughput:
    """What was measured: a row an arm, and ratios, of which those of a CPU are promised."""

    arms: pd.DataFrame
    ratios: pd.DataFrame


def throughput(
    threads: int | None = None,
    rounds: int = 8,
    steps: int = 12,
    workers: int = 0,
    device: torch.device = CPU,
) -> Throughput:
    """Train cifar4 on random images in rounds of ``steps`` batches of 128 in each arm.

    alexbench: ``train`` itself, with crops and mirror images. bare: the same net over batches that
    are inputs already. bare_no_lrn: without normalization. textbook: see ``textbook.py``;
    ``workers`` are of its DataLoader. gemm: a product of two square matrices. On CUDA, where a
    textbook's loop only loads images: ``alexbench`` with train.cuda_graph in three precisions, and
    compile, which is ``bare`` with torch.compile; one that fails is left out, and said.
    """
    keep_memory()
    use_threads(threads)
    config, plain = cifar4_config("both"), cifar4_config("none")
    data = random_data(steps * BATCH_SIZE, config)
    side = GEMM_SIDE[device.type]
    a = torch.randn(side, side, device=device)
    own_seconds, calls = arms_of_train(config, data, device)
    loops = {
        "bare": bare_loop(config, data, device),
        "bare_no_lrn": bare_loop(plain, data, device),
    }
    if device.type == "cuda":
        loops["compile"] = bare_loop(config, data, device, compiled=True)
        calls |= {name: loop for name, loop in loops.items() if works(f"arm {name}", loop)}
    else:
        calls |= loops
        held = data.train
        assert isinstance(held, HeldSplit)
        textbook = textbook_epochs(held.images.numpy(), held.labels.numpy(), BATCH_SIZE, workers)
        calls["textbook"] = lambda: next(textbook)
    calls["gemm"] = lambda: (torch.mm(a, a), now(device))
    warm_up = 0 if device.type == "cuda" else 1  # on CUDA ``works`` has called each arm
    samples = interleave(calls, CPU, rounds, warm_up)  # each call waits for its device
    samples |= {name: own[-rounds:] for name, own in own_seconds.items()}
    return summary(samples, steps, conv_flops(config, NUM_CLASSES, BATCH_SIZE), device)


def arms_of_train(
    config: Config, data: Dataset, device: torch.device
) -> tuple[dict[str, list[float]], dict[str, Callable[[], object]]]:
    """Lists for the seconds of the training alone, and calls that append to them; those that work.

    On CUDA a call trains two epochs and counts the second: the first records the graph.
    """
    configs = {"alexbench": config}
    if device.type == "cuda":
        configs = {"alexbench": changed(config, epochs=2)}
        configs |= {name: changed(config, epochs=2, **train) for name, train in ON_CUDA.items()}
    own: dict[str, list[float]] = {name: [] for name in configs}
    calls: dict[str, Callable[[], object]] = {
        name: partial(train_into, own[name], configs[name], data, device) for name in configs
    }
    if device.type == "cuda":
        calls = {name: call for name, call in calls.items() if works(f"arm {name}", call)}
    return {name: own[name] for name in calls}, calls


def alexnet_arms(rounds: int, device: torch.device, steps: int) -> pd.DataFrame:
    """Images a second of ``train`` with the paper's net at 224 pixels, without crops."""
    config = Config(
        data=DataConfig(image_size=224, scale=64.0),
        augment=AugmentConfig(crops=False, pca_colour="none"),
        train=TrainConfig(epochs=1, batch_size=BATCH_SIZE, schedule="constant"),
        evaluate=EvaluateConfig(train_images=0),
    )
    data = random_data(steps * BATCH_SIZE, config)
    own, calls = arms_of_train(config, data, device)
    interleave(calls, CPU, rounds, 0 if device.type == "cuda" else 1)
    return rates("alexnet", {name: found[-rounds:] for name, found in own.items()}, steps)


def rates(net: str, samples: dict[str, list[float]], steps: int) -> pd.DataFrame:
    """A row an arm: median and interquartile range of images a second; samples in seconds."""
    images = steps * BATCH_SIZE
    found = {name: spread([images / s for s in own]) for name, own in samples.items()}
    columns = ["net", "arm", "images_per_second", "iqr"]
    rows = [[net, name, rate.median, rate.iqr] for name, rate in found.items()]
    return pd.DataFrame(rows, columns=columns)


def works(name: str, call: Callable[[], object]) -> bool:
    """Whether a call returns; says why where it does not."""
    try:
        call()
    except Exception as error:  # whatever a compiler or a driver raises
        print(f"{name}: left out: {type(error).__name__}: {error}".partition("\n")[0])
        return False
    return True


def trace(path: str, device: torch.device) -> None:
    """Write what the host and the device do in a few steps of ``train``, for chrome://tracing.

    On CUDA two spans of it, without and with the graph. A path that ends in .gz is compressed.
    """
    kinds = [profiler.ProfilerActivity.CPU]
    config = cifar4_config("both")
    data = random_data(TRACED_STEPS * BATCH_SIZE, config)
    arms = {"alexbench": config}
    if device.type == "cuda":
        kinds.append(profiler.ProfilerActivity.CUDA)
        arms["alexbench_graph"] = changed(config, cuda_graph=True)
    for arm in arms.values():
        train_into([], arm, data, device)  # so that no start is in the trace
    with profiler.profile(activities=kinds) as found:
        for name, arm in arms.items():
            with profiler.record_function(name):
                train_into([], arm, data, device)
    found.export_chrome_trace(path)


def steps_with_lrn(rounds: int, steps: int) -> pd.DataFrame:
    """A step with LRN over one without, on the CPU: the nets and batches of the short profiles."""
    rows = []
    for profile, promised in PROMISED.items():
        variants = load_ablation(LRN_OR_NONE, profile).variants
        epochs = {
            name: bare_loop(config, random_data(steps * config.train.batch_size, config))
            for name, config in variants.items()
        }
        samples = interleave(epochs, CPU, rounds)
        what = f"step with LRN / without, seconds, net of {profile}"
        rows.append(ratio(what, samples["both"], samples["none"], promised))
    return pd.DataFrame(rows)


def bf16_over_ieee(rounds: int, steps: int) -> pd.DataFrame:
    """How many times as many images a second ``train`` takes in bf16, in two nets with LRN."""
    nets = {
        "cifar4": cifar4_config("both"),
        "net of cifar10-short": load_ablation(LRN_OR_NONE, "cifar10-short").variants["both"],
    }
    rows = []
    for name, config in nets.items():
        config = changed(config, epochs=1)
        config = config.model_copy(update={"evaluate": EvaluateConfig(train_images=0)})
        data = random_data(steps * config.train.batch_size, config)
        own: dict[str, list[float]] = {"ieee": [], "bf16": []}
        calls = {
            precision: partial(train_into, seconds, changed(config, precision=precision), data, CPU)
            for precision, seconds in own.items()
        }
        interleave(calls, CPU, rounds)
        ieee, bf16 = (seconds[-rounds:] for seconds in own.values())
        rows.append(ratio(f"bf16 / ieee, images a second, {name}", ieee, bf16, "1.4"))
    return pd.DataFrame(rows)


def changed(config: Config, **train: object) -> Config:
    """The same run with other settings of its training."""
    return config.model_copy(update={"train": config.train.model_copy(update=train)})


def cifar4_config(lrn: str) -> Config:
    """The four-layer net with 32, 32 and 64 kernels; crops of 32 pixels out of 40, mirrored."""
    model = {"name": "cifar4", "lrn": lrn, "lrn_order": "after_pool", "init": "fan_in"}
    return Config(
        data=DataConfig(image_size=32, scale=64.0),
        augment=AugmentConfig(crop_size=32, padding=4, pca_colour="none"),
        model=ModelConfig.model_validate(model),
        train=TrainConfig(epochs=1, batch_size=BATCH_SIZE, schedule="constant"),
        evaluate=EvaluateConfig(train_images=0),
    )


def random_data(images: int, config: Config) -> Dataset:
    """Noise in ten classes; so few test images that testing costs nothing."""
    generator, side = torch.Generator().manual_seed(0), config.data.image_size

    def split(count: int) -> HeldSplit:
        pixels = torch.randint(256, (count, side, side, 3), generator=generator, dtype=torch.uint8)
        return HeldSplit(pixels, torch.arange(count) % NUM_CLASSES)

    classes = tuple("abcdefghij")
    return hold("noise", "random numbers", classes, split(images), split(BATCH_SIZE))


def train_into(own: list[float], config: Config, data: Dataset, device: torch.device) -> None:
    """Append the seconds of the last epoch of ``train``, as its own history tells them."""
    prepare(config.train, device)
    history = train(config, data, 0, device, lambda *_: None).history
    assert len(history) == config.train.epochs, "the training diverged"
    own.append(history[-1]["train_seconds"])


def bare_loop(
    config: Config, data: Dataset, device: torch.device = CPU, compiled: bool = False
) -> Callable[[], None]:
    """The fewest lines that train the same net: inputs, loss, backward, update."""
    batches = ready_batches(config, data, device)
    built = models.build(config.model, NUM_CLASSES, config.augment.crop_size, 0).to(device)
    net: nn.Module = built.to(memory_format=memory_format(config.train.precision, device))
    if compiled:
        net = torch.compile(net)  # type: ignore[assignment]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def epoch() -> None:
        prepare(config.train, device)
        for inputs, labels in batches:
            loss = F.cross_entropy(net(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        now(device)

    return epoch


def ready_batches(
    config: Config, data: Dataset, device: torch.device = CPU
) -> list[tuple[Tensor, Tensor]]:
    """Augmented inputs and labels of one epoch, on the device."""
    assert isinstance(data.train, HeldSplit)
    layout = memory_format(config.train.precision, device)
    pixels = Pixels(data.train, config.data, config.augment, device, layout)
    generator = torch.Generator().manual_seed(0)
    batch_size = config.train.batch_size
    pairs = zip(*(t.split(batch_size) for t in data.train.on(device)), strict=True)
    return [(pixels.augment(images, generator), labels) for images, labels in pairs]


def summary(
    samples: dict[str, list[float]], steps: int, conv_flops: int, device: torch.device = CPU
) -> Throughput:
    """Rates of the arms, and per-round ratios: their medians and interquartile ranges.

    samples: seconds of ``steps`` training steps, and of one product for ``gemm``. What is promised
    is promised of a CPU.
    """
    product = 2 * GEMM_SIDE[device.type] ** 3
    in_gemm = [s * steps * conv_flops / product for s in samples["gemm"]]
    trained = {name: own for name, own in samples.items() if name != "gemm"}
    faster = [(f"{name} / bare", "bare", name, "") for name in (*ON_CUDA, "compile")]
    wanted = [
        ("alexbench / bare", "bare", "alexbench", "0.95"),
        *faster,
        ("alexbench / textbook", "textbook", "alexbench", "2.5"),
    ]
    ratios = [
        ratio(f"{name}, images a second", samples[above], samples[below], promised)
        for name, above, below, promised in wanted
        if {above, below} <= samples.keys()
    ]
    if {"bare", "bare_no_lrn"} <= samples.keys():
        slower = samples["bare"], samples["bare_no_lrn"]
        ratios.append(ratio("step with LRN / without, seconds", *slower, "at most 1.12"))
        said = "convolutions of a step / matrix product, FLOP/s"
        ratios.append(ratio(said, in_gemm, samples["bare"], "0.7"))
    table = pd.DataFrame(ratios)
    if device.type != "cpu":
        table = table.drop(columns="wanted", errors="ignore")
    return Throughput(rates("cifar4", trained, steps), table)


def ratio(name: str, above: list[float], below: list[float], wanted: str) -> dict[str, object]:
    """A row: the median and the interquartile range of the ratio of two arms in each round."""
    found = spread([a / b for a, b in zip(above, below, strict=True)])
    return {"ratio": name, "median": found.median, "iqr": found.iqr, "wanted": wanted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all cores")
    parser.add_argument("--rounds", type=int, default=10, help="times that each arm is measured")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<index>")
    parser.add_argument("--net", choices=("cifar4", "alexnet"), default="cifar4")
    parser.add_argument("--steps", type=int, help="batches a round; default: by net and device")
    parser.add_argument("--csv", help="a file for the arms' images a second")
    parser.add_argument("--trace", help="a file for a profile of some steps: .json or .json.gz")
    asked = parser.parse_args()
    try:
        device = torch.device(one_device(asked.device))
        use_threads(asked.threads)
    except BadInput as error:
        parser.exit(error.exit_status, f"error: {error}\n")
    if device.type != "cuda":
        print(f"arms {', '.join(ON_CUDA)}, compile: skipped, as they need a CUDA device")
    steps = asked.steps or STEPS[asked.net, device.type]
    if asked.net == "alexnet":
        arms, ratios = alexnet_arms(asked.rounds, device, steps), pd.DataFrame()
        where = f"Training alexnet, 224 pixels, batch 128, {device}"
    else:
        measured = throughput(asked.threads, asked.rounds, steps, device=device)
        arms, ratios = measured.arms, measured.ratios
        where = f"Training cifar4 with LRN, batch 128, crops and mirror images, {device}"
    print_rows(arms, where)
    if asked.csv:
        arms.to_csv(asked.csv, index=False)
    if len(ratios):
        print_rows(ratios, "Ratios a round")
    if device.type == "cpu" and asked.net == "cifar4":
        print_rows(steps_with_lrn(asked.rounds, steps), "Steps of the short profiles")
        if cpu_has_bf16():
            print_rows(bf16_over_ieee(asked.rounds, steps), "bf16")
    if asked.trace:  # last: after a profile CUDA's launches are slower
        works("trace", partial(trace, asked.trace, device))


if __name__ == "__main__":
    main()
