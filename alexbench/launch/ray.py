"""Ray: one task a run, on any node with room for it; the run of a node that dies goes on elsewhere.

The results folder holds the checkpoints, and must be one that every node can write.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray

from alexbench.config.execution import RunOptions, Slot
from alexbench.launch import cluster
from alexbench.launch.events import Event, Notify, Perform
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

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


def attempt(run: Run, slot: Slot, store: RunStore, how: RunOptions) -> Event:
    """What a node does: SIGINT is ``ray.cancel``, SIGTERM the end of the node."""
    stop = cluster.stop_on(signal.SIGINT, signal.SIGTERM)
    return cluster.attempt_here(run, slot, store, how, stop)


@contextmanager
def launch(store: RunStore, how: RunOptions, soon: Sequence[Slot] = ()) -> Iterator[Perform]:
    """As in ``local.launch``, at ``how.address`` or else on this machine; nothing gets ready."""
    connected = ray.is_initialized()
    if not connected:
        ray.init(address=how.address, log_to_driver=False)

    shared = RunStore(store.folder.resolve())  # nodes have working directories of their own

    def perform(runs: Sequence[Run], slots: Sequence[Slot], notify: Notify) -> list[Failure]:
        slot = slots[0]  # all are alike; Ray counts how many runs a node has room for
        devices = max(1, len(slot.devices))
        on_cuda = slot.device.startswith("cuda")
        task = ray.remote(attempt).options(
            num_cpus=slot.num_threads * devices,
            num_gpus=devices if on_cuda else 0,
            max_retries=RETRIES,
        )
        names = tuple(f"cuda:{index}" for index in range(devices))  # Ray shows a task its own
        at = replace(slot, device="cuda:0", devices=names) if on_cuda else slot

        def submit(chosen: Sequence[Run]) -> list[Task]:
            return [Task(task.remote(run, at, shared, how)) for run in chosen]

        return cluster.perform(runs, submit, len(runs), store, how, notify)

    try:
        yield perform
    finally:
        if not connected:
            ray.shutdown()
