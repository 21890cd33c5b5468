"""Slurm, by submitit: a job array with a job a run; a job that is preempted is queued again.

The results folder must be one that every node can write. ``how.slurm`` holds submitit's parameters
(``slurm_partition``, ``timeout_min``); ``cluster=local`` runs the jobs on this machine.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import submitit
from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission

from alexbench.config.execution import RunOptions, Slot
from alexbench.errors import BadInput
from alexbench.launch import cluster as elsewhere
from alexbench.launch.events import Event, Notify, Perform
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

MINUTES = 24 * 60  # of a job, unless told: one that comes to its end is queued again


@dataclass(frozen=True)
class Job:
    """A run as submitit calls it, and calls it again where it was preempted."""

    run: Run
    slot: Slot
    store: RunStore
    how: RunOptions

    def __call__(self) -> Event:
        preemption = JobEnvironment._usr_sig()
        queue_again = signal.getsignal(preemption)
        preempted = elsewhere.stop_on(preemption)
        cancelled = elsewhere.stop_on(signal.SIGINT, signal.SIGTERM)
        asked_to_stop = lambda: preempted() or cancelled()  # noqa: E731
        event = elsewhere.attempt_here(self.run, self.slot, self.store, self.how, asked_to_stop)
        if event["kind"] == "stopped" and preempted() and callable(queue_again):
            queue_again(preemption, None)  # submitit's own handler, now that the step is done
        return event

    def checkpoint(self) -> DelayedSubmission:
        """What submitit queues again; the run's own checkpoint is on the disk."""
        return DelayedSubmission(self)


@contextmanager
def refused() -> Iterator[None]:
    """What submitit refuses is bad input: no such parameter, no Slurm on this machine."""
    try:
        yield
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"--launcher slurm: {str(error).splitlines()[0]}") from None


@contextmanager
def launch(store: RunStore, how: RunOptions, soon: Sequence[Slot] = ()) -> Iterator[Perform]:
    """As in ``local.launch``, but nothing gets ready."""
    settings = dict(setting.split("=", 1) for setting in how.slurm)
    cluster = settings.pop("cluster", "slurm")
    shared = RunStore(store.folder.resolve())  # jobs have working directories of their own
    with refused():
        executor = submitit.AutoExecutor(shared.folder / "logs" / "submitit", cluster=cluster)
    numbers = {key: int(value) if value.isdecimal() else value for key, value in settings.items()}

    def perform(runs: Sequence[Run], slots: Sequence[Slot], notify: Notify) -> list[Failure]:
        slot, devices = slots[0], max(1, len(slots[0].devices))
        on_cuda = slot.device.startswith("cuda")
        asked = {
            "name": "alexbench",
            "timeout_min": MINUTES,
            "cpus_per_task": slot.num_threads * devices,
            "gpus_per_node": devices if on_cuda else 0,
        }
        with refused():
            executor.update_parameters(**(asked | numbers))
        names = tuple(f"cuda:{index}" for index in range(devices))  # Slurm shows a job its own
        at = replace(slot, device="cuda:0", devices=names) if on_cuda else slot
        job = partial(Job, slot=at, store=shared, how=how)

        def submit(chosen: Sequence[Run]) -> list[submitit.Job[Event]]:
            with executor.batch():
                return [executor.submit(job(run)) for run in chosen]

        at_once = len(slots) if cluster == "local" else len(runs)
        return elsewhere.perform(runs, submit, at_once, store, how, notify)

    yield perform
