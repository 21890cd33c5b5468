"""One run in this process, for every launcher: claimed, resumed, performed, and its end told."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from alexbench.config.execution import RunOptions, Slot
from alexbench.config.placement import num_processes
from alexbench.errors import BadInput, ProcessLost, RunFailed
from alexbench.launch import process_group
from alexbench.launch.events import Event, Send, failed
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run
from alexbench.runs.store import RunStore
from alexbench.training import runner
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.state import Row
from alexbench.training.train import ProgressCallback

SECONDS_BETWEEN_EVENTS = 0.5
LONGEST_REASON = 300  # characters


def attempt(
    run: Run,
    slot: Slot,
    store: RunStore,
    how: RunOptions,
    send: Send,
    asked_to_stop: Callable[[], bool],
    to_log: Callable[[Path], AbstractContextManager[None]] = lambda path: nullcontext(),
) -> Event:
    """Perform a run that nobody else has in hand; returns the event that ends it.

    finished (with the status and the last row of its record), taken (by another process), stopped
    (after a checkpoint), or failed (with the reason; fatal if every other run would fail as well).
    A run that failed in other hands since this sweep began has failed, unless failed runs are
    retried. ``send`` hears of its progress. Tracebacks go to stderr, ``to_log`` leads it to the
    run's log: of the owner of the run alone.
    """
    try:
        with store.lock(run) as mine:
            if not mine:
                return {"kind": "taken"}
            if done := store.read_record(run):
                return finished(done)
            if not how.retry_failed and (failure := store.read_failure(run)):
                return failed(run, store, failure.reason)
            store.failure_path(run).unlink(missing_ok=True)
            with to_log(store.log_path(run)):
                return claimed(run, slot, store, how, send, asked_to_stop)
    except (BadInput, RunFailed) as error:
        return failed(run, store, reason(error), fatal=True)


def claimed(
    run: Run,
    slot: Slot,
    store: RunStore,
    how: RunOptions,
    send: Send,
    asked_to_stop: Callable[[], bool],
) -> Event:
    checkpoints = Checkpoints(
        store.unfinished,
        run.stem,
        run.run_id,
        how.checkpoint_seconds,
        asked_to_stop,
        tell=lambda line: send({"kind": "note", "line": line}),
    )
    tell = watch(send)
    if how.tensorboard:
        tell = with_curves(run, store, tell)
    try:
        together = num_processes(run.config.train) > 1
        perform = process_group.perform if together else runner.perform
        done = perform(run, slot, store, tell, checkpoints)
        tell(len(done.history), 0.0, [dict(row) for row in done.history])
        return finished(done)
    except Stopped:
        return {"kind": "stopped"}
    except (BadInput, RunFailed):
        traceback.print_exc()
        raise
    except ProcessLost as error:  # no fault of the run: it may be tried again
        print(error, file=sys.stderr)
        return failed(run, store, reason(error))
    except Exception as error:
        traceback.print_exc()
        store.write_failure(run, reason(error))
        return failed(run, store, reason(error))


def watch(send: Send) -> ProgressCallback:
    """Sends progress now and then: a sign of life, and something to show."""
    last = 0.0

    def hear(epochs: float, images_per_second: float, history: Sequence[Row]) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_EVENTS:
            last = time.monotonic()
            test_error = history[-1]["test_error"] if history else None
            progress = {"epochs": epochs, "images_per_second": images_per_second}
            send({"kind": "progress", **progress, "test_error": test_error})

    return hear


def with_curves(run: Run, store: RunStore, tell: ProgressCallback) -> ProgressCallback:
    """Also writes the history for TensorBoard, row by row."""
    from alexbench.training.tensorboard import Curves

    curves = Curves(run, store.folder)

    def hear(epochs: float, images_per_second: float, history: Sequence[Row]) -> None:
        curves.write(history)
        tell(epochs, images_per_second, history)

    return hear


def finished(done: RunRecord) -> Event:
    return {"kind": "finished", "status": done.status, "row": done.history[-1]}


def reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:LONGEST_REASON] or type(error).__name__
