"""One run in this process, for every launcher: locked, resumed, performed, and its end told."""

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from alexbench.config.execution import RunOptions, Slot
from alexbench.config.placement import num_processes
from alexbench.errors import BadInput, ProcessLost, RunFailed, first_line
from alexbench.launch import events, process_group
from alexbench.launch.events import SECONDS_BETWEEN_EVENTS, Event, HistoryRow, Seldom, Send
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run
from alexbench.runs.store import RunStore
from alexbench.training import runner
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.train import ProgressCallback

if TYPE_CHECKING:
    from alexbench.training.tensorboard import Curves
    from alexbench.training.tracker import Tracked

LONGEST_REASON = 300  # characters


def attempt(
    run: Run,
    slot: Slot,
    store: RunStore,
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
        with store.lock(run) as mine:
            if not mine:
                return events.TakenEvent()
            if done := store.read_record(run):
                return finished(done)
            if not options.retry_failed and (failure := store.read_failure(run)):
                return events.failed(run, store, failure.reason)
            store.failure_path(run).unlink(missing_ok=True)
            with to_log(store.log_path(run)):
                return perform_locked(run, slot, store, options, send, asked_to_stop)
    except (BadInput, RunFailed) as error:
        return events.failed(run, store, reason(error), fatal=True)


def perform_locked(
    run: Run,
    slot: Slot,
    store: RunStore,
    options: RunOptions,
    send: Send,
    asked_to_stop: Callable[[], bool],
) -> Event:
    """Perform a run whose lock this process holds; as ``attempt``."""
    checkpoints = Checkpoints(
        store.unfinished,
        run.stem,
        run.run_id,
        options.checkpoint_seconds,
        asked_to_stop,
        tell=lambda line: send(events.NoteEvent(line)),
    )
    exporters = exporters_of(run, store.folder, options)
    tell = watch(send, exporters)
    try:
        together = num_processes(run.config.train) > 1
        perform = process_group.perform if together else runner.perform
        done = perform(run, slot, store, tell, checkpoints)
        tell(len(done.history), 0.0, [dict(row) for row in done.history])
        return finished(done)
    except Stopped:
        return events.StoppedEvent()
    except (BadInput, RunFailed):
        traceback.print_exc()
        raise
    except ProcessLost as error:  # no fault of the run: it may be tried again
        print(error, file=sys.stderr)
        return events.failed(run, store, reason(error))
    except Exception as error:
        traceback.print_exc()
        store.write_failure(run, reason(error))
        return events.failed(run, store, reason(error))
    finally:
        for exporter in exporters:
            exporter.close()


def exporters_of(run: Run, folder: Path, options: RunOptions) -> list["Curves | Tracked"]:
    """Where the run's history goes besides its record; each needs an extra of its own."""
    found = list["Curves | Tracked"]()
    if options.tensorboard:
        from alexbench.training.tensorboard import Curves

        found.append(Curves(run, folder))
    if options.tracker:
        from alexbench.training.tracker import Tracked

        found.append(Tracked(options.tracker, run, folder))
    return found


def watch(send: Send, exporters: Sequence["Curves | Tracked"]) -> ProgressCallback:
    """Sends a ProgressEvent, at most one each SECONDS_BETWEEN_EVENTS; exports the history."""
    seldom = Seldom(SECONDS_BETWEEN_EVENTS)

    def hear(epochs: float, images_per_second: float, history: Sequence[HistoryRow]) -> None:
        for exporter in exporters:
            exporter.write(history)
        if seldom.again():
            row = history[-1] if history else None
            send(events.ProgressEvent(epochs, images_per_second, row))

    return hear


def finished(done: RunRecord) -> events.FinishedEvent:
    """The event of a run that has this record."""
    return events.FinishedEvent(done.status, {**done.history[-1]})


def reason(error: Exception) -> str:
    """The first line of an error, of bounded length."""
    return first_line(error)[:LONGEST_REASON]
