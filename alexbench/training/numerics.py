"""How a run computes on its device: precision, memory format, cuDNN's choice of algorithms."""

import re
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from alexbench.config.schema import TrainConfig
from alexbench.errors import BadInput

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})  # of /proc/cpuinfo


def use(device: torch.device) -> None:
    """Make a CUDA device the current one, for whatever asks for no device: events, kernels."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def prepare(train: TrainConfig, device: torch.device) -> None:
    """Set torch's global switches as the run asks for, on its device. Raises BadInput."""
    check_precision(train.precision, device)
    use(device)
    set_float32("tf32" if train.precision == "tf32" else "ieee")
    torch.backends.cudnn.benchmark = train.cudnn_benchmark


def set_float32(precision: str) -> None:
    """float32 products on CUDA: ieee, or tf32 with 10 bits of mantissa.

    torch has an old and a new interface, and whoever asks through one after the other was used gets
    an error. This is the old one, which later torch reads through both.
    """
    with warnings.catch_warnings():  # torch 2.9 warns of the old one, later torch does not
        warnings.filterwarnings("ignore", "Please use the new API settings")
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"


def check_precision(precision: str, device: torch.device) -> None:
    """Raises BadInput for a precision that the device does not have."""
    if precision == "tf32" and device.type == "cpu":
        raise BadInput("train.precision tf32: a CPU has no such products: choose ieee, or CUDA")
    if precision != "bf16":
        return
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return
        raise BadInput("train.precision bf16: this GPU has no bf16 products: choose ieee")
    if not cpu_has_bf16():
        raise BadInput(
            "train.precision bf16: this processor has neither AVX512_BF16 nor AMX, and would take "
            "12 times as long: choose ieee, or a CUDA device"
        )


def cpu_has_bf16() -> bool:
    """Whether this machine's processor has instructions for bf16 products."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and has_bf16(cpuinfo.read_text(errors="replace"))


def has_bf16(cpuinfo: str) -> bool:
    """Whether the flags in the text of /proc/cpuinfo have instructions for bf16 products."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return flags is not None and not BF16_FLAGS.isdisjoint(flags[1].split())


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Products and layers in bf16 where the run asks for it; weights and sums stay float32.

    LRN and the loss read bf16 and compute in float32; gradients of weights are float32.
    """
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def memory_format(precision: str, device: torch.device) -> torch.memory_format:
    """The memory format of a net and its inputs.

    channels_last: fastest on a CPU, and for tensor cores (tf32, bf16). cuDNN's float32 convolutions
    are known to be slow in it, grouped ones above all. For CUDA this is from the literature, and
    not measured here yet: ``benchmarks/lease.py`` measures both.
    """
    slow = device.type == "cuda" and precision == "ieee"
    return torch.contiguous_format if slow else torch.channels_last


def uses_graph(train: TrainConfig, device: torch.device) -> bool:
    """Whether the run's step is recorded as a CUDA graph, as it asks for, where that can be."""
    can = device.type == "cuda" and train.placement == "one" and train.optimizer == "sgd"
    return train.cuda_graph and can


def format_name(chosen: torch.memory_format) -> str:
    """nchw or channels_last, as in benchmarks and records."""
    return "channels_last" if chosen == torch.channels_last else "nchw"
