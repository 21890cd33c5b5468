"""The origin of a result beside its configuration: commit, versions, machine, threads."""

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import torch

from alexbench.config import git as config_git
from alexbench.config.paths import checkout
from alexbench.config.schema import TrainConfig
from alexbench.errors import BadInput
from alexbench.runs.record import Environment
from alexbench.training import numerics

PACKAGES = ("torch", "torchvision", "numpy", "pillow")


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


def own_version() -> str:
    """The version of alexbench; of a tree that is not installed, what its pyproject.toml says."""
    try:
        return importlib.metadata.version("alexbench")
    except importlib.metadata.PackageNotFoundError:
        folder = checkout()
        if folder is None:
            return "unknown"
        with (folder / "pyproject.toml").open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])


def commit() -> str | None:
    """The commit of the code: git's word, else $ALEXBENCH_COMMIT, for a tree without history.

    Raises BadInput for what no record may have.
    """
    if found := git("rev-parse", "HEAD"):
        return found
    told = os.environ.get("ALEXBENCH_COMMIT", "")
    if told and not re.fullmatch(r"[0-9a-f]{7,64}", told):
        raise BadInput(f"ALEXBENCH_COMMIT: {told!r} is no commit: 7 to 64 of 0-9 and a-f, or unset")
    return told or None


def gpu(device: torch.device) -> dict[str, str]:
    """What must be equal for two results of GPUs to be one machine's: model, driver and torch."""
    return {
        "device": torch.cuda.get_device_name(device),
        "driver": driver(),
        "torch": importlib.metadata.version("torch"),
    }


@functools.cache
def driver() -> str:
    """The NVIDIA driver's version where its tool tells it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True)
    return (done.stdout.split() or ["unknown"])[0]


def describe(device: torch.device, train: TrainConfig, jobs: int) -> Environment:
    """Everything to write beside a result made now, on this device, in this process."""
    on_cuda = device.type == "cuda"
    changes = git("status", "--porcelain", "--untracked-files=no")
    environment: Environment = {
        "commit": commit(),
        "dirty": None if changes is None else bool(changes),
        "versions": {
            "python": platform.python_version(),
            "alexbench": own_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
            "cuda": torch.version.cuda if on_cuda else None,
            "cudnn": torch.backends.cudnn.version() if on_cuda else None,
            **({"driver": driver()} if on_cuda else {}),
        },
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if on_cuda else "cpu",
        "num_threads": torch.get_num_threads(),
        "precision": train.precision,
        "jobs": jobs,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if on_cuda:
        add_gpu(environment, train, device)
    return environment


def add_gpu(environment: Environment, train: TrainConfig, device: torch.device) -> None:
    """Add how a run uses its GPU, where that changes its times."""
    layout = numerics.memory_format(train.precision, device)
    environment["memory_format"] = numerics.format_name(layout)
    environment["cuda_graph"] = numerics.uses_graph(train, device)
    environment["cudnn_benchmark"] = train.cudnn_benchmark
    environment["exchange"] = train.exchange
