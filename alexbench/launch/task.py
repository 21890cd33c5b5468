"""One run in this process, for every launcher: locked, resumed, performed, and its end told."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from alexbench.config.execution import RunOptions, Slot
from alexbench.config.placement import num_processes
from alexbench.errors import BadInput, ProcessLost, RunFailed
from alexbench.launch import events, process_group
from alexbench.launch.events import Event, HistoryRow, Send
from alexbench.runs.lock import lock
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run
from alexbench.runs.status import (
    failure_path,
    folder_of,
    lock_of,
    log_of,
    read_failure,
    read_record,
    write_failure,
)
from alexbench.training import runner
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.train import ProgressCallback

if TYPE_CHECKING:
    from alexbench.training.tensorboard import Curves

SECONDS_BETWEEN_EVENTS = 0.5
LONGEST_REASON = 300  # characters


def attempt(
    run: Run,
    slot: Slot,
    folder: Path,
    options: RunOptions,
    send: Send,
    asked_to_stop: Callable[[], bool],
    to_log: Callable[[Path], AbstractContextManager[None]] = lambda path: nullcontext(),
) -> Event:
    """Perform a run that no other process has in hand; returns the event that ends it.

    That event is Finished, Taken, Stopped or Failed. If another process tried this run during
    this sweep and failed, that failure is reported unless failed runs are retried.
    send: hears of progress. to_log: sends stderr, and so tracebacks, to the log of the run; only
    the process that has the run in hand writes there.
    """
    try:
        with lock(lock_of(run, folder)) as mine:
            if not mine:
                return events.TakenEvent()
            if done := read_record(run, folder):
                return finished(done)
            if not options.retry_failed and (failure := read_failure(run, folder)):
                return events.failed(run, folder, failure.reason)
            failure_path(run, folder).unlink(missing_ok=True)
            with to_log(log_of(run, folder)):
                return perform_locked(run, slot, folder, options, send, asked_to_stop)
    except (BadInput, RunFailed) as error:
        return events.failed(run, folder, reason(error), fatal=True)


def perform_locked(
    run: Run,
    slot: Slot,
    folder: Path,
    options: RunOptions,
    send: Send,
    asked_to_stop: Callable[[], bool],
) -> Event:
    """Perform a run whose lock this process holds; as ``attempt``."""
    checkpoints = Checkpoints(
        folder_of(folder),
        run.stem,
        run.run_id,
        options.checkpoint_seconds,
        asked_to_stop,
        tell=lambda line: send(events.NoteEvent(line)),
    )
    curves = None
    if options.tensorboard:
        from alexbench.training.tensorboard import Curves  # an extra

        curves = Curves(run, folder)
    tell = watch(send, curves)
    try:
        together = num_processes(run.config.train) > 1
        perform = process_group.perform if together else runner.perform
        done = perform(run, slot, folder, tell, checkpoints)
        tell(len(done.history), 0.0, done.history)
        return finished(done)
    except Stopped:
        return events.StoppedEvent()
    except (BadInput, RunFailed):
        traceback.print_exc()
        raise
    except ProcessLost as error:  # no fault of the run: it may be tried again
        print(error, file=sys.stderr)
        return events.failed(run, folder, reason(error))
    except Exception as error:
        traceback.print_exc()
        write_failure(run, folder, reason(error))
        return events.failed(run, folder, reason(error))


def watch(send: Send, curves: "Curves | None") -> ProgressCallback:
    """Sends a ProgressEvent, at most one each SECONDS_BETWEEN_EVENTS; draws the history."""
    last = 0.0

    def hear(epochs: float, images_per_second: float, history: Sequence[HistoryRow]) -> None:
        nonlocal last
        if curves:
            curves.write(history)
        if time.monotonic() - last > SECONDS_BETWEEN_EVENTS:
            last = time.monotonic()
            row = history[-1] if history else None
            send(events.ProgressEvent(epochs, images_per_second, row))

    return hear


def finished(done: RunRecord) -> events.FinishedEvent:
    """The event of a run that has this record."""
    return events.FinishedEvent(done.status, done.history[-1])


def reason(error: Exception) -> str:
    """The first line of an error, or its class where it says nothing."""
    return str(error).partition("\n")[0][:LONGEST_REASON] or type(error).__name__
