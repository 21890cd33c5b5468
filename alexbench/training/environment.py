"""The origin of a result beside its configuration: commit, versions, machine, threads."""

import functools
import importlib.metadata
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch

from alexbench.config import git as config_git
from alexbench.config.paths import checkout
from alexbench.runs.record import Environment

PACKAGES = ("alexbench", "torch", "torchvision", "numpy", "pillow")


@functools.cache
def git(*arguments: str) -> str | None:
    """The output of git in alexbench's own folder; None where that is no checkout."""
    folder = checkout()
    if folder is None:
        return None  # installed: a repository around it is somebody else's
    found = config_git.git(folder, *arguments)
    return None if found is None else found.decode(errors="replace").strip()


def processor() -> str:
    """The processor's own name where the system tells it, with the instructions that torch uses.

    Virtual machines give one name to processors of several generations.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(names, None) or mac_processor() or platform.processor() or platform.machine()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def mac_processor() -> str | None:
    """The name of a Mac's processor, which Python calls "arm" on all of them; None elsewhere."""
    if sys.platform != "darwin":
        return None
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


def describe(device: torch.device, precision: str, jobs: int) -> Environment:
    """Everything to write beside a result made now, on this device, in this process."""
    on_cuda = device.type == "cuda"
    changes = git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
            "cuda": torch.version.cuda if on_cuda else None,
            "cudnn": torch.backends.cudnn.version() if on_cuda else None,
        },
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if on_cuda else "cpu",
        "num_threads": torch.get_num_threads(),
        "precision": precision,
        "jobs": jobs,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
