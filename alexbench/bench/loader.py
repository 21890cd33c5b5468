"""``alexbench data throughput``: can the images be read as fast as the net trains on them?"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from alexbench.bench.timing import interleave, spread
from alexbench.config.execution import Slot
from alexbench.config.schema import Config
from alexbench.data import load_data
from alexbench.data.augment import Pixels
from alexbench.data.batches import batches
from alexbench.data.dataset import Dataset, HeldSplit
from alexbench.data.stream import num_workers
from alexbench.errors import BadInput
from alexbench.training import numerics
from alexbench.training.allocator import keep_memory
from alexbench.training.state import State, now
from alexbench.training.train import start, train_step


@dataclass(frozen=True)
class Throughput:
    """Images a second of the loader, of the step and of both, and in words which one binds."""

    data: str
    rows: pd.DataFrame
    sentence: str


def measure_in(slot: Slot, config: Config, rounds: int, steps: int) -> Throughput:
    """``throughput`` of the images that a configuration names, with a slot's device and threads."""
    for key, measured in (("placement", "one"), ("cuda_graph", False)):
        if getattr(config.train, key) != measured:
            raise BadInput(f"data throughput: train.{key}: measured is an eager step on one device")
    torch.set_num_threads(slot.num_threads)
    numerics.prepare(config.train, torch.device(slot.device))
    data = load_data(config.data, slot.data_root)
    return throughput(config, data, torch.device(slot.device), rounds, steps)


def throughput(
    config: Config, data: Dataset, device: torch.device, rounds: int, steps: int
) -> Throughput:
    """Time ``steps`` batches a round in each of three ways, interleaved.

    loader: read and hand to the device, nothing else. step: augment, forward, backward and update,
    on a batch that is there. training: both.
    """
    keep_memory()
    state = start(config, len(data.classes), 0, device)
    state.net.train()
    layout = numerics.memory_format(config.train.precision, device)
    pixels = Pixels(data.train, config.data, config.augment, device, layout)
    size = min(config.train.batch_size, len(data.train.labels))
    count = steps * size
    order = torch.arange(count) % len(data.train.labels)
    ready = next(batches(data.train, order[:size], size, device))

    def loader() -> None:
        for _ in batches(data.train, order, size, device):
            pass
        now(device)

    def step() -> None:
        for _ in range(steps):
            one_step(state, pixels, *ready)
        now(device)

    def training() -> None:
        for images, labels in batches(data.train, order, size, device):
            one_step(state, pixels, images, labels)
        now(device)

    calls: dict[str, Callable[[], object]] = {"loader": loader, "step": step, "training": training}
    samples = interleave(calls, torch.device("cpu"), rounds)  # the calls wait for the device
    rates = {name: spread([count / s for s in own]) for name, own in samples.items()}
    columns = ["part", "images_per_second", "iqr"]
    rows = [[name, rate.median, rate.iqr] for name, rate in rates.items()]
    workers = 0 if isinstance(data.train, HeldSplit) else num_workers(steps)
    medians = {name: rate.median for name, rate in rates.items()}
    return Throughput(
        data.name,
        pd.DataFrame(rows, columns=columns),
        sentence(medians["loader"], medians["step"], workers, data.source),
    )


def one_step(state: State, pixels: Pixels, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Augment a batch and train on it."""
    train_step(state, pixels.augment(images, state.streams.augmentation), labels)


def sentence(loader: float, step: float, workers: int, source: str) -> str:
    """Which side binds, by how much, and what to do where it is the loader."""
    how = f"{workers} workers" if workers else "the training process itself"
    side, factor = ("loader", step / loader) if loader < step else ("step", loader / step)
    text = (
        f"The {side} binds: {loader:,.1f} images a second can be loaded ({source}, by {how}), "
        f"{step:,.1f} trained on: a factor of {factor:,.{1 if factor < 10 else 0}f}."
    )
    if not workers:
        text += (
            f" Without workers they take turns: loading is {step / (loader + step):.0%} of a step."
        )
    if side == "loader" and "before" not in source:
        text += " `alexbench data cache` decodes all images once; more --threads decode faster."
    return text
