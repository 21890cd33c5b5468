"""What a GPU did while it was measured: clock, power, temperature, and why it was slowed down.

From NVIDIA's library by nvidia-ml-py (``pip install 'alexbench[gpu]'``); without either, nothing.
"""

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import torch

from alexbench.runs.record import Environment

Number = TypeVar("Number", int, float)
HERTZ = 10.0
HERTZ_IN_A_RUN = 1.0
STEADY = 0.03  # a clock that varies by less, as a share of its median, is steady
# bits of nvmlClocksThrottleReasons that mean: slower than the clock that was asked for
SLOWED = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "temperature, by software",
    0x40: "temperature, by hardware",
    0x80: "power brake",
}


@dataclass(frozen=True)
class Reading:
    """The state of a GPU at one moment; None for what this GPU or its driver does not tell."""

    seconds: float  # on the monotonic clock
    megahertz: int | None = None  # of the multiprocessors
    watts: float | None = None
    celsius: int | None = None
    reasons: int | None = None  # bits, see SLOWED


Read = Callable[[], Reading]


def reader(device: torch.device) -> Read | None:
    """What reads the state of a device; None for a CPU, and where NVIDIA's library is not."""
    if device.type != "cuda":
        return None
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except Exception:  # as in ``told``
        return None
    return partial(read_gpu, nvml, handle)


def read_gpu(nvml: Any, handle: object) -> Reading:
    """What NVIDIA's library tells of a GPU now; a card for laptops, say, tells no power."""
    return Reading(
        seconds=time.monotonic(),
        megahertz=told(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        watts=told(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        celsius=told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        reasons=told(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)),
    )


def told(ask: Callable[[], Number]) -> Number | None:
    """The answer to one question; None where asking fails."""
    try:
        return ask()
    except Exception:  # NVMLError is no RuntimeError, and has a class for each cause
        return None


class Telemetry:
    """Reads a GPU ten times a second while a block runs; without a reader there are no readings."""

    def __init__(self, read: Read | None, hertz: float = HERTZ) -> None:
        self.read, self.pause = read, 1 / hertz
        self.readings: list[Reading] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        """Read until asked to stop; a reading that fails is left out."""
        assert self.read
        while True:
            with contextlib.suppress(Exception):
                self.readings.append(self.read())
            if self.stop.wait(self.pause):
                return

    def __enter__(self) -> "Telemetry":
        if self.read:
            self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop.set()
        if self.read:
            self.thread.join()


def judge(readings: Sequence[Reading]) -> str:
    """In words whether the GPU kept its speed: "steady at 1755 MHz", or what was against it."""
    clocks = np.array([each for each in (one.megahertz for one in readings) if each is not None])
    if not len(clocks):
        return "not read"
    middle = float(np.median(clocks))
    spread = float(clocks.max() - clocks.min()) / middle
    steady = f"steady at {middle:.0f} MHz"
    words = [steady if spread < STEADY else f"from {clocks.min()} to {clocks.max()} MHz"]
    if causes := slowed_by(readings):
        words.append(f"slowed by {', '.join(causes)}")
    return "; ".join(words)


def slowed_by(readings: Sequence[Reading]) -> list[str]:
    """The causes, in words, that slowed the GPU at any of the readings."""
    slowed = 0
    for reading in readings:
        slowed |= reading.reasons or 0
    return [cause for bit, cause in SLOWED.items() if slowed & bit]


def add_readings(environment: Environment, readings: Sequence[Reading]) -> None:
    """Add to a record's environment what the GPU did while the run was trained; medians."""
    if clocks := [one.megahertz for one in readings if one.megahertz is not None]:
        environment["clock_megahertz"] = median(clocks)
    if powers := [one.watts for one in readings if one.watts is not None]:
        environment["power_watts"] = round(median(powers), 1)
    if temperatures := [one.celsius for one in readings if one.celsius is not None]:
        environment["temperature_celsius"] = median(temperatures)
    if any(one.reasons is not None for one in readings):
        environment["slowed_by"] = slowed_by(readings)
