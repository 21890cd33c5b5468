"""Counts that are the same every time: operator calls and peak memory of a call.

Imports nothing of alexbench: the gate's worker uses it beside another revision of the package.
"""

import os
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile, record_function

Call = Callable[[], object]
MEASURED = "alexbench: measured call"
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler talks on stderr otherwise


def operator_calls(call: Call) -> int:
    """ATen operators called, each that another one calls included."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        call()
    return sum(event.name.startswith("aten::") for event in profiled.events() or ())


def peak_memory_bytes(make: Callable[[], Call], device: torch.device) -> int:
    """The most that is held at one time during a call, its inputs and weights included.

    The second call counts, when gradients and optimizer state exist. On a CPU from torch's
    allocator: what a library allocates for itself is not seen.
    """
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        call = make()
        call()
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call = make()
        call()
        with record_function(MEASURED):
            call()
    events = profiled.profiler.kineto_results.events()
    (began,) = (event.start_ns() for event in events if event.name() == MEASURED)
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    held = peak = 0
    for moment, change in sorted(changes, key=lambda pair: pair[0]):
        held += change
        peak = max(peak, held) if moment >= began else held
    return peak
