"""The Slurm launcher, by submitit: a job array, one job a run; a preempted job is queued again.

Every node must be able to write the results folder. ``options.slurm`` holds submitit's parameters
(``slurm_partition``, ``timeout_min``); ``cluster=local`` runs the jobs on this machine.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import submitit
from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission

from alexbench.config.execution import RunOptions, Slot
from alexbench.errors import BadInput
from alexbench.launch import cluster as elsewhere
from alexbench.launch.events import Event, Notify, Perform, StoppedEvent
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

MINUTES = 24 * 60  # of a job, unless told: one that comes to its end is queued again


@dataclass(frozen=True)
class Job:
    """A run that submitit calls, and calls again after a preemption."""

    run: Run
    slot: Slot
    store: RunStore
    options: RunOptions

    def __call__(self) -> Event:
        preemption = JobEnvironment._usr_sig()
        queue_again = signal.getsignal(preemption)
        preempted = elsewhere.stop_on(preemption)
        cancelled = elsewhere.stop_on(signal.SIGINT, signal.SIGTERM)
        asked_to_stop = lambda: preempted() or cancelled()  # noqa: E731
        event = elsewhere.attempt_here(self.run, self.slot, self.store, self.options, asked_to_stop)
        if isinstance(event, StoppedEvent) and preempted() and callable(queue_again):
            queue_again(preemption, None)  # submitit's own handler, now that the step is done
        return event

    def checkpoint(self) -> DelayedSubmission:
        """The job that submitit queues again; the run's own checkpoint is on the disk."""
        return DelayedSubmission(self)


@contextmanager
def refused() -> Iterator[None]:
    """Raises BadInput for what submitit refuses: an unknown parameter, a machine without Slurm."""
    try:
        yield
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"--launcher slurm: {str(error).splitlines()[0]}") from None


@contextmanager
def launch(store: RunStore, options: RunOptions, soon: Sequence[Slot] = ()) -> Iterator[Perform]:
    """As ``local.launch``, by Slurm; no ``soon``."""
    settings = dict(setting.split("=", 1) for setting in options.slurm)
    cluster = settings.pop("cluster", "slurm")
    shared = RunStore(store.folder.resolve())  # jobs have working directories of their own
    with refused():
        executor = submitit.AutoExecutor(shared.folder / "logs" / "submitit", cluster=cluster)
    numbers = {key: int(value) if value.isdecimal() else value for key, value in settings.items()}

    def perform(runs: Sequence[Run], slots: Sequence[Slot], notify: Notify) -> list[Failure]:
        slot, cores, gpus = elsewhere.on_node(slots[0])
        asked = {
            "name": "alexbench",
            "timeout_min": MINUTES,
            "cpus_per_task": cores,
            "gpus_per_node": gpus,
        }
        with refused():
            executor.update_parameters(**(asked | numbers))
        job = partial(Job, slot=slot, store=shared, options=options)

        def submit(chosen: Sequence[Run]) -> list[submitit.Job[Event]]:
            with executor.batch():
                return [executor.submit(job(run)) for run in chosen]

        at_once = len(slots) if cluster == "local" else len(runs)
        return elsewhere.perform(runs, submit, at_once, store, options, notify)

    yield perform
