"""Which devices a sweep may use, and how many threads each of its jobs gets."""

import os

import torch

from alexbench.errors import BadInput
from alexbench.perform import Place


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def places(
    device: str, jobs: int | None, threads: int | None, data_root: str | None
) -> list[Place]:
    """A place for each job.

    device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:<index>``.
    jobs: runs at one time; None: as many as the cores or the CUDA devices allow. threads: of each
    job; None: 1 on the CPU, and with CUDA the cores divided among the jobs, which decode images.
    Raises BadInput for a device that is not there and for more threads than cores.
    """
    if (threads is not None and threads < 1) or (jobs is not None and jobs < 1):
        raise BadInput("--jobs and --threads should be 1 or more")
    names = devices(device)
    if names == ["cpu"]:
        threads = threads or 1
        names *= jobs or max(1, cores() // threads)
        if len(names) * threads > cores():
            raise BadInput(
                f"{len(names)} jobs x {threads} threads are more than the {cores()} cores here: "
                "lower --jobs or --threads"
            )
    else:
        names = [names[job % len(names)] for job in range(jobs or len(names))]
        threads = threads or max(1, cores() // len(names))
    return [Place(name, threads, len(names), data_root) for name in names]


def devices(device: str) -> list[str]:
    """The torch devices that a ``--device`` means."""
    count = torch.cuda.device_count()
    allowed = ["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{i}" for i in range(count))]
    if device not in allowed:
        raise BadInput(f"--device {device}: not here; allowed are {', '.join(allowed)}")
    if device == "auto":
        device = "cuda" if count else "cpu"
    return [f"cuda:{index}" for index in range(count)] if device == "cuda" else [device]
