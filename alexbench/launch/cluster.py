"""Runs as tasks of a cluster: handed in, looked at now and then, handed in again if they must."""

import faulthandler
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Protocol

from alexbench.config.execution import RunOptions, Slot
from alexbench.errors import RunFailed
from alexbench.launch.events import Event, Notify, failed
from alexbench.launch.signals import Interrupts
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

SECONDS_BETWEEN_LOOKS = 0.5


class Task(Protocol):
    """A run that was handed in."""

    def done(self) -> bool: ...

    def result(self) -> Event:
        """The event that ended it; raises where its process or its node died for good."""
        ...

    def cancel(self) -> object:
        """Ask it to stop, with a checkpoint if it can."""
        ...


Submit = Callable[[Sequence[Run]], Sequence[Task]]


def attempt_here(
    run: Run, slot: Slot, store: RunStore, how: RunOptions, asked_to_stop: Callable[[], bool]
) -> Event:
    """``attempt`` in a process that a cluster started; what it says goes to the run's log.

    A process that makes no step for too long writes where it is, and ends.
    """
    import torch  # late: whoever hands runs in needs none

    from alexbench.launch.task import attempt
    from alexbench.training.allocator import keep_memory

    torch.set_num_threads(slot.num_threads)
    keep_memory()

    def alive(event: Event | None = None) -> None:
        faulthandler.dump_traceback_later(how.hang_seconds, exit=True, file=sys.stderr)

    @contextmanager
    def to_log(path: Path) -> Iterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file, redirect_stderr(file):
            alive()
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
        if path.stat().st_size == 0:
            path.unlink()

    return attempt(run, slot, store, how, alive, asked_to_stop, to_log)


def stop_on(*signals: signal.Signals) -> Callable[[], bool]:
    """Whether one of these signals came since now."""
    heard: list[int] = []
    for each in signals:
        signal.signal(each, lambda number, _frame: heard.append(number))
    return lambda: bool(heard)


def perform(
    runs: Sequence[Run],
    submit: Submit,
    at_once: int,
    store: RunStore,
    how: RunOptions,
    notify: Notify,
) -> list[Failure]:
    """Perform every run, ``at_once`` of them handed in at a time; as in ``local.launch``."""
    waiting, failures = deque(runs), list[Failure]()
    tasks: dict[Task, Run] = {}
    stopped: str | None = None
    with Interrupts() as interrupts:
        while tasks or (waiting and not stopped):
            if interrupts.count and not stopped:
                stopped = "interrupted"
            if stopped:
                for task in tasks:
                    task.cancel()
            if interrupts.count > 1:
                break
            chosen = [waiting.popleft() for _ in range(min(len(waiting), at_once - len(tasks)))]
            if chosen and not stopped:
                tasks |= zip(submit(chosen), chosen, strict=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for task in [task for task in tasks if task.done()]:
                run = tasks.pop(task)
                event = end_of(task, run, store, stopped is not None)
                notify(run, event)
                if event["kind"] in ("taken", "stopped"):
                    waiting.append(run)
                if event["kind"] == "failed":
                    failures.append(
                        Failure(run.run_id, run.variant, run.seed, event["reason"], event["log"])
                    )
                    if event["fatal"] or how.on_error == "stop":
                        stopped = f"{run.variant}, seed {run.seed}: {event['reason']}"
    if stopped:
        raise RunFailed(stopped)
    return failures


def end_of(task: Task, run: Run, store: RunStore, stopping: bool) -> Event:
    """The event that ended a task; a task that died is a failed run, unless it was to stop."""
    try:
        return task.result()
    except Exception as error:  # each cluster has its own
        if store.is_done(run):
            return {"kind": "taken"}  # it died after the record; the next task reads it
        if stopping:
            return {"kind": "stopped"}
        lines = [line for line in str(error).splitlines() if line.strip()]
        return failed(run, store, lines[0] if lines else type(error).__name__)
