"""One attempt at a run: of two commands that want it, the one that has it in hand decides."""

from typing import Any

import pytest

from alexbench.config.execution import RunOptions
from alexbench.launch.cluster import attempt_here
from alexbench.launch.events import (
    SECONDS_BETWEEN_EVENTS,
    Event,
    FailedEvent,
    FinishedEvent,
    Seldom,
    TakenEvent,
    progress,
)
from alexbench.launch.sweep import Sweep
from tests.sweeps import prepare, runs_of


@pytest.fixture
def prepared(tmp_path: Any) -> Sweep:
    return prepare(tmp_path, seeds=1)


def attempt(prepared: Sweep, options: RunOptions) -> Event:
    run = runs_of(prepared)[0]
    return attempt_here(run, prepared.slots[0], prepared.store, options, lambda: False)


def test_a_run_in_other_hands_keeps_the_log_of_its_owner(prepared):
    run = runs_of(prepared)[0]
    log = prepared.store.log_path(run)
    log.parent.mkdir(parents=True)
    log.write_text("what the owner says")
    with prepared.store.lock(run):
        assert attempt(prepared, prepared.options) == TakenEvent()
    assert log.read_text() == "what the owner says"
    assert isinstance(attempt(prepared, prepared.options), FinishedEvent)
    assert not log.exists()  # it had nothing to say


def test_a_run_that_failed_in_other_hands_is_tried_again_only_if_asked(prepared):
    prepared.store.write_failure(runs_of(prepared)[0], "it was killed")
    event = attempt(prepared, prepared.options)
    log = str(prepared.store.log_path(runs_of(prepared)[0]))
    assert event == FailedEvent("it was killed", log, fatal=False)
    again = prepared.options.model_copy(update={"retry_failed": True})
    assert isinstance(attempt(prepared, again), FinishedEvent)


def test_what_is_told_seldom_is_told_at_once_and_then_after_its_seconds():
    times = iter([10.0, 10.4, 10.5, 10.9, 20.0])
    seldom = Seldom(0.5, clock=lambda: next(times))
    assert [seldom.again() for _ in range(5)] == [True, False, True, False, True]


def test_a_process_of_several_tells_of_each_batch_on_a_cpu_and_seldom_on_cuda():
    on_cpu, on_cuda = progress("cpu"), progress("cuda:0")
    assert [on_cpu.again() for _ in range(3)] == [True] * 3
    assert on_cuda.seconds == SECONDS_BETWEEN_EVENTS > 0
