"""Which machine a number belongs to: numbers of two machines are never compared."""

import re
from typing import Any

import torch

from alexbench.training.environment import driver, processor


def fingerprint(device: torch.device) -> dict[str, Any]:
    """What must be equal for two timings to be comparable."""
    on_cuda = device.type == "cuda"
    return {
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if on_cuda else "cpu",
        "driver": driver() if on_cuda else "-",
        "cuda": torch.version.cuda if on_cuda else "-",
        "torch": torch.__version__,
        "num_threads": torch.get_num_threads(),
    }


def machine_name(machine: dict[str, Any]) -> str:
    """A name for files: processor or GPU, and threads on a CPU."""
    device = machine["device"]
    on_cpu = f"{machine['processor']} {machine['num_threads']} threads"
    words = on_cpu if device == "cpu" else device
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
