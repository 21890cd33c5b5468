"""Ray: one task a run, on any node with room for it; the run of a node that dies goes on elsewhere.

The results folder holds the checkpoints, and must be one that every node can write.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray

from alexbench.execution import Execution, Place
from alexbench.launch import elsewhere
from alexbench.launch.events import Event, Notify, Perform
from alexbench.plan import Run
from alexbench.unfinished import Failure

RETRIES = 3  # of a run whose process or node died


@dataclass(frozen=True, eq=False)
class Task:
    """A run on the cluster."""

    reference: Any

    def done(self) -> bool:
        return bool(ray.wait([self.reference], timeout=0)[0])

    def result(self) -> Event:
        event: Event = ray.get(self.reference)
        return event

    def cancel(self) -> None:
        ray.cancel(self.reference)


def attempt(run: Run, place: Place, folder: Path, how: Execution) -> Event:
    """What a node does: SIGINT is ``ray.cancel``, SIGTERM the end of the node."""
    stop = elsewhere.stop_on(signal.SIGINT, signal.SIGTERM)
    return elsewhere.attempt_here(run, place, folder, how, stop)


@contextmanager
def launch(folder: Path, how: Execution, soon: Sequence[Place] = ()) -> Iterator[Perform]:
    """As in ``local.launch``, at ``how.address`` or else on this machine; nothing gets ready."""
    connected = ray.is_initialized()
    if not connected:
        ray.init(address=how.address, log_to_driver=False)

    def perform(runs: Sequence[Run], places: Sequence[Place], notify: Notify) -> list[Failure]:
        place = places[0]  # all are alike; Ray counts how many runs a node has room for
        devices = max(1, len(place.devices))
        on_cuda = place.device.startswith("cuda")
        task = ray.remote(attempt).options(
            num_cpus=place.num_threads * devices,
            num_gpus=devices if on_cuda else 0,
            max_retries=RETRIES,
        )
        names = tuple(f"cuda:{index}" for index in range(devices))  # Ray shows a task its own
        at = replace(place, device="cuda:0", devices=names) if on_cuda else place

        def submit(chosen: Sequence[Run]) -> list[Task]:
            return [Task(task.remote(run, at, folder.resolve(), how)) for run in chosen]

        return elsewhere.perform(runs, submit, len(runs), folder, how, notify)

    try:
        yield perform
    finally:
        if not connected:
            ray.shutdown()
