"""Which devices a sweep may use, and how many threads each of its jobs gets."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from alexbench.config.execution import Slot
from alexbench.errors import BadInput, shown

MOST_JOBS = 4096  # beyond every machine
CONTEXT_BYTES = 700_000_000  # what CUDA and its libraries take for each process
USED_SHARE = 0.9  # of the free memory: the allocator rounds up


def use_threads(threads: int | None) -> None:
    """Set torch's CPU threads in this process; None: all cores that it may use. Raises BadInput."""
    if threads is not None and not 1 <= threads <= cores():
        raise BadInput(f"--threads {shown(threads)}: from 1 to {cores()}, the cores here")
    torch.set_num_threads(threads or cores())


def cores() -> int:
    """Processor cores that this process may use: by its affinity, and by its container's quota."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, math.ceil(min(allowed, cpu_quota())))


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Processors' worth of time that the control groups of this process allow; or infinity.

    root: where they are mounted. own: which they are: lines ``number:controllers:path``, without
    controllers in version 2. The limits of all groups above hold as well.
    """
    found = [math.inf]
    for line in lines_of(own):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounted = root / controllers if controllers else root
        for place in (mounted, root / "cpu") if controllers else (mounted,):
            group = place / path.lstrip("/")
            for folder in [group, *group.parents]:
                if not folder.is_relative_to(place):
                    break
                found.append(quota_of(folder))
    return min(found)


def quota_of(group: Path) -> float:
    """The quota of one control group, of either version; infinity where it has none."""
    limits = " ".join(lines_of(group / "cpu.max")).split() or [
        *lines_of(group / "cpu.cfs_quota_us"),
        *lines_of(group / "cpu.cfs_period_us"),
    ]
    try:
        quota, period = map(int, limits)
    except ValueError:  # max, or no such files
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def lines_of(path: Path) -> list[str]:
    """The lines of a file of the system; none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def find_slots(
    device: str,
    jobs: int | None,
    threads: int | None,
    data_root: str | None,
    num_devices: int = 1,
    run_bytes: Callable[[], int] | None = None,
    shared: bool = False,
) -> list[Slot]:
    """A slot for each job.

    device: ``auto`` (CUDA where there is one), ``cpu`` (a device is so many cores as there are
    threads), ``cuda``, ``cuda:<index>``, or a list with commas.
    jobs: runs at one time; None: as many as the cores or the CUDA devices allow. threads: of each
    device; None: 1 on the CPU, and with CUDA the cores divided among the devices, which decode
    images. num_devices: of each run. run_bytes: memory of a run, asked where several may run on a
    CUDA device at once, which needs MPS; None: one run a device. shared: the processes of a run may
    share a GPU, if there are fewer than it asks for.
    Raises BadInput for devices that are not there or not alike, for fewer than a run needs, and
    for more threads than cores.
    """
    if (threads is not None and threads < 1) or (jobs is not None and jobs < 1):
        raise BadInput("--jobs and --threads should be 1 or more")
    if (jobs or 0) > MOST_JOBS or (threads or 0) > MOST_JOBS:
        raise BadInput(f"--jobs and --threads should be at most {MOST_JOBS}")
    names = devices(device)
    on_cpu = set(names) == {"cpu"}
    if names == ["cpu"]:
        names *= max(1, cores() // (threads or 1))
    elif num_devices == 1 and jobs is None and run_bytes and not on_cpu and mps_is_on(os.environ):
        free = [torch.cuda.mem_get_info(name)[0] for name in names]
        names = [names[device] for device in fitting(free, run_bytes(), cores())]
    if jobs and num_devices == 1:
        names = in_turn(names, jobs)
    threads = threads or (1 if on_cpu else max(1, cores() // len(names)))
    if on_cpu and len(names) * threads > cores():
        raise BadInput(
            f"{len(names)} jobs x {threads} threads are more than the {cores()} cores here: "
            "lower --jobs or --threads"
        )
    if shared and not on_cpu and num_devices > len(names):
        names = in_turn(names, num_devices)
    if num_devices > len(names):
        raise BadInput(
            f"a run needs {num_devices} devices, and --device {device} means {len(names)} "
            f"({', '.join(dict.fromkeys(names))}): give {num_devices} with commas, or another "
            "train.placement"
        )
    firsts = range(0, len(names) - num_devices + 1, num_devices)
    groups = [names[first : first + num_devices] for first in firsts][:jobs]
    for group in groups:
        refuse_unequal(group, [device_model(name) for name in group])
    return [Slot(group[0], threads, len(groups), data_root, tuple(group)) for group in groups]


def in_turn(names: Sequence[str], count: int) -> list[str]:
    """So many of the devices, each again when all have been named."""
    return [names[number % len(names)] for number in range(count)]


def mps_is_on(environment: Mapping[str, str]) -> bool:
    """Whether NVIDIA's MPS serves this machine: without it runs on one GPU only take turns."""
    pipes = environment.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")
    return Path(pipes, "control").exists()


def fitting(free_bytes: Sequence[int], run_bytes: int, most: int) -> list[int]:
    """The index of each job's device, round robin: as many jobs as fit in each memory, at least 1.

    most: jobs in all, unless there are more devices; each job keeps a core busy.
    """
    room = [int(USED_SHARE * free // (run_bytes + CONTEXT_BYTES)) for free in free_bytes]
    turns = max([1, *room])
    jobs = [
        device for turn in range(turns) for device, runs in enumerate(room) if turn < max(1, runs)
    ]
    return jobs[: max(most, len(free_bytes))]


def refuse_unequal(names: Sequence[str], models: Sequence[str]) -> None:
    """Raises BadInput for devices of unequal models: the faster one would always wait."""
    for name, model in zip(names, models, strict=True):
        if model != models[0]:
            raise BadInput(
                f"unequal devices: {names[0]} is {models[0]}, {name} is {model}: a run on several "
                "devices goes at the pace of the slowest; choose equal ones with --device"
            )


def device_model(name: str) -> str:
    """What a device is, as its driver names it."""
    return "a processor core" if name == "cpu" else torch.cuda.get_device_name(name)


def one_device(device: str) -> str:
    """The torch device of a command that needs one; "cuda" is the first. Raises BadInput."""
    if "," in device:
        raise BadInput(f"--device {shown(device)}: one device is measured; give one of them")
    return devices(device)[0]


def devices(device: str, count: int | None = None) -> list[str]:
    """The torch devices that a ``--device`` means. Raises BadInput for one that is not here.

    count: of CUDA devices; None: those of this machine.
    """
    count = torch.cuda.device_count() if count is None else count
    single = ["cpu", *(f"cuda:{index}" for index in range(count))]
    allowed = ["auto", *single[:1], *(["cuda"] if count else []), *single[1:]]
    several = device.split(",")
    for name in several:
        if name not in (single if len(several) > 1 else allowed):
            listed = ", ".join(single if len(several) > 1 else allowed)
            raise BadInput(f"--device {device}: not here; allowed are {listed}")
    if len(set(several)) < len(several) and "cuda" in device:
        raise BadInput(f"--device {device}: a CUDA device stands there twice")
    if len(several) > 1:
        return several
    if device == "auto":
        device = "cuda" if count else "cpu"
    return single[1:] if device == "cuda" else [device]
