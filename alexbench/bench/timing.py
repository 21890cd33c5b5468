"""How long a call takes: every sample kept, on the host's clock or by CUDA events."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from alexbench.training.telemetry import reader

Call = Callable[[], object]
FLUSH_BYTES = 256 << 20  # more than the L2 cache of any GPU so far
# on CUDA
WARM_SECONDS = 0.5
QUIET = 0.005  # noise that is low enough
LEAST_SAMPLES = 25  # before noise is believed: few short ones can be equal by chance
LONGEST_SECONDS = 2.0  # of sampling one call
STALLED_TIMES, HIGHEST_HERTZ = 2.0, 2e9
MEDIAN_ERROR = 1.2533 / 1.349  # of a normal sample: standard error of the median, and IQR, over sd


@dataclass(frozen=True)
class Spread:
    """Median and interquartile range."""

    median: float
    iqr: float


def spread(samples: Sequence[float]) -> Spread:
    """Median and interquartile range."""
    low, median, high = np.percentile(samples, [25, 50, 75])
    return Spread(float(median), float(high - low))


def measure(call: Call, device: torch.device, rounds: int, warmup_rounds: int = 2) -> list[float]:
    """Seconds of each of ``rounds`` calls, after some that are not counted.

    On CUDA at least so many, after half a second of others, and more until they are ``quiet``: an
    event stands on either side of each call, what the last one left in the L2 cache is overwritten,
    and the GPU is held up until the host has queued the call, so that no launch is timed.
    """
    if device.type == "cuda":
        host_seconds = warm(call, device)
        return until_quiet(lambda: sample_cuda(call, device, rounds, host_seconds))
    for _ in range(warmup_rounds):
        call()
    return [seconds(call) for _ in range(rounds)]


def seconds(call: Call) -> float:
    """Seconds of one call on the host's clock."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def noise(samples: Sequence[float]) -> float:
    """The standard error of the median, as a share of it; from the interquartile range."""
    found = spread(samples)
    return MEDIAN_ERROR * found.iqr / math.sqrt(len(samples)) / found.median


def until_quiet(sample: Callable[[], list[float]], limit: float = LONGEST_SECONDS) -> list[float]:
    """Samples, batch after batch, until they are quiet or the time is over."""
    began, samples = time.perf_counter(), sample()
    while not is_quiet(samples) and time.perf_counter() - began < limit:
        samples += sample()
    return samples


def is_quiet(samples: Sequence[float]) -> bool:
    """Whether there are enough samples and their noise is below QUIET."""
    return len(samples) >= LEAST_SAMPLES and noise(samples) <= QUIET


def warm(call: Call, device: torch.device) -> float:
    """Call for WARM_SECONDS, until clocks and caches have settled; the host's seconds of a call.

    Before that once, as the first call may compile a kernel or look for an algorithm.
    """
    call()
    torch.cuda.synchronize(device)
    own: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < WARM_SECONDS or len(own) < 3:
        own.append(seconds(call))
        torch.cuda.synchronize(device)
    return spread(own).median


def stall_cycles(host_seconds: float) -> int:
    """Cycles for which to hold a GPU up, so that the host has queued a call meanwhile."""
    return int(STALLED_TIMES * host_seconds * HIGHEST_HERTZ)


def sample_cuda(call: Call, device: torch.device, rounds: int, host_seconds: float) -> list[float]:
    """Seconds of each of ``rounds`` calls between CUDA events, with a cold cache."""
    cold = torch.empty(FLUSH_BYTES, dtype=torch.int8, device=device)
    pairs = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        for _ in range(rounds)
    ]
    torch.cuda.synchronize(device)
    for began, ended in pairs:
        cold.zero_()
        torch.cuda._sleep(stall_cycles(host_seconds))
        began.record()
        call()
        ended.record()
    torch.cuda.synchronize(device)
    return [began.elapsed_time(ended) / 1000 for began, ended in pairs]


def interleave(
    calls: dict[str, Call], device: torch.device, rounds: int, warmup_rounds: int = 1
) -> dict[str, list[float]]:
    """Seconds of each call in each round: a round calls each once, so that all share the noise.

    Every other round runs backwards, so that no call always follows the same one. On CUDA each call
    is warmed up as by ``measure``, and at least so many rounds are taken, as by ``rounds_of``.
    """
    if device.type == "cuda":
        hosts = {name: warm(call, device) for name, call in calls.items()}

        def cuda_seconds(name: str) -> float:
            return sample_cuda(calls[name], device, 1, hosts[name])[0]

        timed = {name: partial(cuda_seconds, name) for name in calls}
        return rounds_of(timed, rounds, LONGEST_SECONDS * len(calls))
    for _ in range(warmup_rounds):
        for call in calls.values():
            call()
    return rounds_of({name: partial(seconds, call) for name, call in calls.items()}, rounds)


def rounds_of(
    timed: Mapping[str, Callable[[], float]], rounds: int, limit: float = 0.0
) -> dict[str, list[float]]:
    """Samples of calls that take turns: so many rounds, and more until all are quiet.

    limit: seconds after which no further round is begun.
    """
    samples: dict[str, list[float]] = {name: [] for name in timed}
    began, number = time.perf_counter(), 0
    while number < rounds or (
        time.perf_counter() - began < limit and not all(map(is_quiet, samples.values()))
    ):
        for name in list(timed)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(timed[name]())
        number += 1
    return samples


def clocks(device: torch.device) -> str:
    """The GPU's clock in MHz, where the driver tells it: read before and after a measurement."""
    if device.type != "cuda":
        return "-"
    read = reader(device)
    megahertz = read().megahertz if read else None
    return "unknown" if megahertz is None else f"{megahertz} MHz"
