"""The arms of a benchmark: direction, memory format, on CUDA precision and autotuning."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import torch

from alexbench.training.numerics import set_float32

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {
    "ieee": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True)
class Arm:
    """One way to run a shape."""

    direction: str  # forward, backward, both, or step: both and the update
    memory_format: str = "channels_last"
    precision: str = "ieee"  # ieee and tf32 are float32
    cudnn_benchmark: bool = False
    implementation: str = "torch"

    @property
    def dtype(self) -> torch.dtype:
        """The data type of the tensors."""
        return DTYPES[self.precision]

    @property
    def name(self) -> str:
        """The parts of the arm that matter, joined with dashes."""
        tuned = "autotuned" if self.cudnn_benchmark else ""
        own = (self.direction, self.implementation, self.memory_format, self.precision, tuned)
        return "-".join(filter(None, own))


def arms(device: torch.device, implementations: tuple[str, ...] = ("torch",)) -> list[Arm]:
    """Every arm on this device of a layer that is no convolution."""
    precisions = ("ieee", "fp16", "bf16") if device.type == "cuda" else ("ieee",)
    choices = product(implementations, FORMATS, precisions, DIRECTIONS)
    return [
        Arm(direction, memory_format, precision, implementation=implementation)
        for implementation, memory_format, precision, direction in choices
    ]


def conv_arms(device: torch.device) -> list[Arm]:
    """Every arm of a convolution, which on CUDA may use TF32 and may be tuned by cuDNN."""
    if device.type != "cuda":
        return arms(device)
    choices = product(FORMATS, DTYPES, (False, True), DIRECTIONS)
    return [
        Arm(direction, memory_format, precision, tuned)
        for memory_format, precision, tuned, direction in choices
    ]


def net_arms(device: torch.device) -> list[Arm]:
    """Every arm of a whole net, in the precisions of a run."""
    precisions = ("ieee", "tf32", "bf16") if device.type == "cuda" else ("ieee",)
    choices = product(FORMATS, precisions, ("forward", "both"))
    return [Arm(direction, layout, precision) for layout, precision, direction in choices]


@contextmanager
def settings(arm: Arm, device: torch.device) -> Iterator[None]:
    """torch's global switches as the arm wants them, and back as they were."""
    if device.type != "cuda":
        yield
        return
    places = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [place.fp32_precision for place in places], torch.backends.cudnn.benchmark
    old = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    set_float32("tf32" if arm.precision == "tf32" else "ieee")
    torch.backends.cudnn.benchmark = arm.cudnn_benchmark
    try:
        yield
    finally:  # through both of torch's interfaces, see set_float32
        torch.set_float32_matmul_precision(old[0])
        torch.backends.cudnn.allow_tf32 = old[1]
        for place, precision in zip(places, before[0], strict=True):
            place.fp32_precision = precision
        torch.backends.cudnn.benchmark = before[1]
