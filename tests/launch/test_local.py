"""The pool of workers on this machine: what it survives, and how it ends."""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alexbench.config.execution import Slot
from alexbench.errors import RunFailed
from alexbench.launch import local
from alexbench.launch.events import (
    Event,
    FinishedEvent,
    NoteEvent,
    ProgressEvent,
    StoppedEvent,
    TakenEvent,
)
from alexbench.launch.sweep import Sweep, train_missing
from alexbench.runs.run import Run
from alexbench.runs.store import Failure
from tests.launch.test_kills import perform_all
from tests.sweeps import ABLATION, evidence, prepare, runs_of

ENDLESS = ABLATION.replace("train.epochs: 1", "train.epochs: 1000000")


def workers() -> list[int]:
    """The worker processes that this one has started and that still live (Linux)."""
    own = Path(f"/proc/{os.getpid()}/task/{threading.main_thread().native_id}/children")
    pids = own.read_text().split()
    return [int(p) for p in pids if b"launch.worker" in Path(f"/proc/{p}/cmdline").read_bytes()]


class Heard:
    """Notes every event, and does something at the first progress of a variant's seed 0."""

    def __init__(self, **at_first_progress: Any) -> None:
        self.to_do = at_first_progress
        self.events: list[tuple[str, type]] = []

    def __call__(self, run: Run, event: Event) -> None:
        self.events.append((run.variant, type(event)))
        if isinstance(event, ProgressEvent) and run.variant in self.to_do:
            self.to_do.pop(run.variant)()

    def of(self, variant: str) -> list[type]:
        """The events of a variant, but for how often it said that it makes progress."""
        kinds = [kind for name, kind in self.events if name == variant]
        return [
            kind
            for i, kind in enumerate(kinds)
            if kind != ProgressEvent or ProgressEvent not in kinds[:i]
        ]


def execute(prepared: Sweep, notify: Any, slots: int = 1) -> list[Failure]:
    where = [Slot("cpu", 1, slots)] * slots
    with local.launch(prepared.store, prepared.options) as perform:
        return perform(runs_of(prepared), where, notify)


def go_on(prepared: Sweep) -> list[Failure]:
    """What the same command does when it is given again."""
    with local.launch(prepared.store, prepared.options) as perform:
        return train_missing(prepared, perform, runs_of(prepared))


def states(prepared: Sweep) -> list[str]:
    runs = runs_of(prepared)
    return list(
        prepared.store.standings(runs, [run for run in runs if prepared.store.is_done(run)])
    )


def send(number: int) -> Any:
    """To the worker that was started last."""
    return lambda: os.kill(workers()[-1], number)


def test_a_process_that_is_killed_or_hangs_is_a_failed_run_and_not_a_failed_sweep(tmp_path):
    text = ABLATION.replace("  wide:", "  killed: {model.width: 0.5, train.epochs: 1000000}\n"
        "  hung: {model.width: 0.375, train.epochs: 1000000}\n"
        "  moved: {model.width: 0.3, train.epochs: 80}\n  wide:")  # fmt: skip
    prepared = prepare(tmp_path, text, seeds=1, hang_seconds=12.0)
    heard = Heard(
        killed=send(signal.SIGKILL), hung=send(signal.SIGSTOP), moved=send(signal.SIGTERM)
    )
    failures = execute(prepared, heard)
    assert [(failure.variant, failure.reason) for failure in failures] == [
        ("killed", "its process was killed (signal 9): was the machine out of memory?"),
        ("hung", "no step within 12 seconds: killed"),
    ]
    # A worker that was only asked to leave leaves a checkpoint, and another goes on.
    assert heard.of("moved") == [ProgressEvent, StoppedEvent, NoteEvent, FinishedEvent]
    runs = runs_of(prepared)
    by_name = dict(zip([run.variant for run in runs], states(prepared), strict=True))
    assert by_name == dict(narrow="done", killed="failed", hung="failed", moved="done", wide="done")
    assert workers() == []

    # The same command leaves failed runs alone, and says what they failed of.
    old = go_on(prepared)
    assert [failure.reason for failure in old] == [failure.reason for failure in failures]
    assert old[0] == prepared.store.read_failure(runs[1])


def test_a_sweep_that_is_interrupted_once_goes_on_where_it_was(tmp_path):
    text = ABLATION.replace("train.epochs: 1", "train.epochs: 60")
    prepared = prepare(tmp_path, text, seeds=1)
    heard = Heard(wide=lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(RunFailed, match=r"^interrupted$"):
        execute(prepared, heard)
    assert heard.of("wide") == [ProgressEvent, StoppedEvent]
    assert states(prepared) == ["done", "resumable"]
    assert go_on(prepared) == []
    undisturbed = prepare(tmp_path, text, seeds=1, results=str(tmp_path / "undisturbed"))
    perform_all(undisturbed)
    assert evidence(prepared.folder) == evidence(undisturbed.folder)


def test_a_sweep_that_is_interrupted_twice_leaves_at_once(tmp_path):
    def twice() -> None:
        os.kill(workers()[-1], signal.SIGSTOP)  # the step in hand will not end
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    prepared = prepare(tmp_path, ENDLESS, seeds=1)
    with pytest.raises(RunFailed, match=r"^interrupted$"):
        execute(prepared, Heard(narrow=twice))
    assert workers() == []
    assert states(prepared) == ["to do", "to do"]


def test_on_error_stop_ends_the_sweep_and_keeps_what_the_others_have(tmp_path):
    prepared = prepare(tmp_path, ENDLESS, seeds=1, on_error="stop")
    started: list[str] = []

    def kill_the_second(run: Run, event: Event) -> None:
        if isinstance(event, ProgressEvent) and run.variant not in started:
            started.append(run.variant)
            if len(started) == 2:
                os.kill(workers()[1], signal.SIGKILL)

    with pytest.raises(RunFailed, match=r"^wide, seed 0: its process was killed \(signal 9\)"):
        execute(prepared, kill_the_second, slots=2)
    assert states(prepared) == ["resumable", "failed"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a full disk is to a file: no byte is written beyond this size, here and in workers."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_sweep_in_one_line_and_the_next_one_completes_it(tmp_path):
    text = ABLATION.replace("wide: {model.width: 0.25}", "wide: {model.width: 2}")
    prepared = prepare(tmp_path, text, seeds=1, checkpoint_seconds=0.0)
    with largest_file(2_000_000), pytest.raises(RunFailed) as caught:  # of wide's checkpoints
        go_on(prepared)
    assert "\n" not in str(caught.value)
    assert "checkpoint: cannot be written (File too large)" in str(caught.value)
    assert "1 of 2 runs are finished and kept in" in str(caught.value)
    assert states(prepared) == ["done", "to do"]
    assert go_on(prepared) == []
    assert not (prepared.folder / "unfinished").exists()


def test_a_run_that_another_process_has_in_hand_is_waited_for_and_not_trained_twice(tmp_path):
    prepared = prepare(tmp_path, seeds=1)
    narrow, wide = runs_of(prepared)
    with prepared.store.lock(narrow) as mine:
        assert mine
        heard = Heard()
        thread = threading.Thread(target=execute, args=(prepared, heard))
        thread.start()
        awaited = {("narrow", TakenEvent), ("wide", FinishedEvent)}
        while not awaited <= set(heard.events):
            time.sleep(0.05)
    thread.join()
    assert heard.of("narrow")[-1] == FinishedEvent
    assert prepared.store.missing([narrow, wide]) == []
