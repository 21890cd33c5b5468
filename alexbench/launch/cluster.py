"""Runs as tasks of a cluster: submitted, polled, and submitted again where they were stopped."""

import faulthandler
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from alexbench.config.disk import open_log
from alexbench.config.execution import RunOptions, Slot
from alexbench.errors import RunFailed
from alexbench.launch import events
from alexbench.launch.events import Event, Notify
from alexbench.launch.signals import interrupts
from alexbench.runs.run import Run, remember_parts
from alexbench.runs.store import Failure, RunStore

SECONDS_BETWEEN_LOOKS = 0.5


class Task(Protocol):
    """A run that was submitted."""

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def result(self) -> Event:
        """The event that ended it. Raises where its process or its node died for good."""
        ...

    def cancel(self) -> object:
        """Ask it to stop, with a checkpoint if it can."""
        ...


Submit = Callable[[Sequence[Run]], Sequence[Task]]


def attempt_here(
    run: Run, slot: Slot, store: RunStore, options: RunOptions, asked_to_stop: Callable[[], bool]
) -> Event:
    """``attempt`` in a process that a cluster started; its stderr goes to the run's log.

    A process without a step for ``options.hang_seconds`` writes its traceback there and exits.
    """
    import torch  # late: the process that submits runs needs none

    from alexbench.launch.task import attempt
    from alexbench.training.allocator import keep_memory

    torch.set_num_threads(slot.num_threads)
    keep_memory()
    remember_parts(run)

    def alive(event: Event | None = None) -> None:
        faulthandler.dump_traceback_later(options.hang_seconds, exit=True, file=sys.stderr)

    @contextmanager
    def to_log(path: Path) -> Iterator[None]:
        with open_log(path) as file, redirect_stderr(file):
            alive()
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
        if path.stat().st_size == 0:
            path.unlink()

    return attempt(run, slot, store, options, alive, asked_to_stop, to_log)


def stop_on(*signals: signal.Signals) -> Callable[[], bool]:
    """Catches the signals; returns a function that says whether one came since."""
    heard: list[int] = []
    for each in signals:
        signal.signal(each, lambda number, _frame: heard.append(number))
    return lambda: bool(heard)


def on_node(slot: Slot) -> tuple[Slot, int, int]:
    """The slot on a node, which shows a task its own GPUs alone; then its cores and its GPUs."""
    devices = max(1, len(slot.devices))
    cores = slot.num_threads * devices
    if not slot.device.startswith("cuda"):
        return slot, cores, 0
    names = tuple(f"cuda:{index}" for index in range(devices))
    return replace(slot, device="cuda:0", devices=names), cores, devices


def perform(
    runs: Sequence[Run],
    submit: Submit,
    at_once: int,
    store: RunStore,
    options: RunOptions,
    notify: Notify,
) -> list[Failure]:
    """Perform every run, ``at_once`` of them submitted at a time; raises as ``local.launch``."""
    waiting, failures = deque(runs), list[Failure]()
    tasks: dict[Task, Run] = {}
    stopped: str | None = None
    with interrupts() as heard:
        while tasks or (waiting and not stopped):
            if heard and not stopped:
                stopped = "interrupted"
            if stopped:
                for task in tasks:
                    task.cancel()
            if len(heard) > 1:
                break
            chosen = [waiting.popleft() for _ in range(min(len(waiting), at_once - len(tasks)))]
            if chosen and not stopped:
                tasks |= zip(submit(chosen), chosen, strict=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for task in [task for task in tasks if task.done()]:
                run = tasks.pop(task)
                event = end_of(task, run, store, stopped is not None)
                notify(run, event)
                if isinstance(event, events.TakenEvent | events.StoppedEvent):
                    waiting.append(run)
                if isinstance(event, events.FailedEvent):
                    failures.append(event.failure(run))
                    if event.fatal or options.on_error == "stop":
                        stopped = f"{run.variant}, seed {run.seed}: {event.reason}"
    if stopped:
        raise RunFailed(stopped)
    return failures


def end_of(task: Task, run: Run, store: RunStore, stopping: bool) -> Event:
    """The event that ended a task. A task that died is a failed run, unless asked to stop."""
    try:
        return task.result()
    except Exception as error:  # each cluster has its own
        if store.is_done(run):
            return events.TakenEvent()  # it died after the record; the next task reads it
        if stopping:
            return events.StoppedEvent()
        lines = [line for line in str(error).splitlines() if line.strip()]
        return events.failed(run, store, lines[0] if lines else type(error).__name__)
