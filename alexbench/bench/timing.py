"""How long a call takes: every sample kept, on the host's clock or by CUDA events."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Call = Callable[[], object]
FLUSH_BYTES = 256 << 20  # more than the L2 cache of any GPU so far


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

    On CUDA an event stands on either side of each call, all calls are queued at once, and what the
    last call left in the L2 cache is overwritten before the next one.
    """
    for _ in range(warmup_rounds):
        call()
    if device.type == "cuda":
        return measure_cuda(call, device, rounds)
    return [seconds(call) for _ in range(rounds)]


def seconds(call: Call) -> float:
    """Seconds of one call on the host's clock."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure_cuda(call: Call, device: torch.device, rounds: int) -> list[float]:
    """Seconds of each of ``rounds`` calls between CUDA events, with a cold cache."""
    cold = torch.empty(FLUSH_BYTES, dtype=torch.int8, device=device)
    pairs = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        for _ in range(rounds)
    ]
    torch.cuda.synchronize(device)
    for began, ended in pairs:
        cold.zero_()
        began.record()
        call()
        ended.record()
    torch.cuda.synchronize(device)
    return [began.elapsed_time(ended) / 1000 for began, ended in pairs]


def interleave(
    calls: dict[str, Call], device: torch.device, rounds: int, warmup_rounds: int = 1
) -> dict[str, list[float]]:
    """Seconds of each call in each round: a round calls each once, so that all share the noise.

    Every other round runs backwards, so that no call always follows the same one.
    """
    for _ in range(warmup_rounds):
        for call in calls.values():
            call()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: 1 if number % 2 == 0 else -1]:
            samples[name] += measure(calls[name], device, rounds=1, warmup_rounds=0)
    return samples


def clocks(device: torch.device) -> str:
    """The GPU's clock in MHz, where the driver tells it: read before and after a measurement."""
    if device.type != "cuda":
        return "-"
    try:
        return f"{torch.cuda.clock_rate(device)} MHz"
    except (RuntimeError, ModuleNotFoundError):  # no NVML on this machine
        return "unknown"
