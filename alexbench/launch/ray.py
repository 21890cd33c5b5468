"""The Ray launcher: one task a run, on any node with room; a dead node's run resumes on another.

Every node must be able to write the results folder, which holds the checkpoints. A cluster that is
started here listens on loopback alone, and asks for Ray's token (Ray 2.59 and newer); one at an
address is protected as whoever started it chose, by RAY_AUTH_MODE among others.
"""

import importlib.util
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from alexbench.config.execution import RunOptions, Slot
from alexbench.launch import cluster
from alexbench.launch.events import Event, Notify, Perform
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

if importlib.util.find_spec("ray") is None:
    raise ModuleNotFoundError("no module named 'ray'", name="ray")
# read when ray is imported: 0 puts every server of a cluster on loopback, on Linux as elsewhere
SEVERAL_HOSTS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
RETRIES = 3  # of a run whose process or node died


@dataclass(frozen=True, eq=False)
class RayTask:
    """A run on the cluster, as a ``cluster.Task``."""

    reference: Any

    def done(self) -> bool:
        """Whether it has ended."""
        import ray

        return bool(ray.wait([self.reference], timeout=0)[0])

    def result(self) -> Event:
        """The event that ended it. Raises where its process or its node died for good."""
        import ray

        event: Event = ray.get(self.reference)
        return event

    def cancel(self) -> None:
        """Ask it to stop: Ray sends SIGINT."""
        import ray

        ray.cancel(self.reference)


def attempt(run: Run, slot: Slot, store: RunStore, options: RunOptions) -> Event:
    """Perform a run on a node. SIGINT comes from ``ray.cancel``, SIGTERM when the node ends."""
    stop = cluster.stop_on(signal.SIGINT, signal.SIGTERM)
    return cluster.attempt_here(run, slot, store, options, stop)


@contextmanager
def launch(store: RunStore, options: RunOptions, soon: Sequence[Slot] = ()) -> Iterator[Perform]:
    """As ``local.launch``, on the cluster at ``options.address`` or else here; no ``soon``."""
    if not (options.address or os.environ.get("RAY_ADDRESS")):
        os.environ.setdefault(SEVERAL_HOSTS, "0")
    import ray  # late, for the line above

    connected = ray.is_initialized()
    if not connected:
        ray.init(address=options.address, log_to_driver=False)

    shared = RunStore(store.folder.resolve())  # nodes have working directories of their own

    def perform(runs: Sequence[Run], slots: Sequence[Slot], notify: Notify) -> list[Failure]:
        # all slots are alike; Ray counts how many runs a node has room for
        slot, cores, gpus = cluster.on_node(slots[0])
        task = ray.remote(attempt).options(num_cpus=cores, num_gpus=gpus, max_retries=RETRIES)

        def submit(chosen: Sequence[Run]) -> list[RayTask]:
            return [RayTask(task.remote(run, slot, shared, options)) for run in chosen]

        return cluster.perform(runs, submit, len(runs), store, options, notify)

    try:
        yield perform
    finally:
        if not connected:
            ray.shutdown()
