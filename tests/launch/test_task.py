"""One attempt at a run: of two commands that want it, the one that has it in hand decides."""

from typing import Any

import pytest

from alexbench.config.execution import RunOptions
from alexbench.launch.cluster import attempt_here
from alexbench.launch.events import Event
from alexbench.launch.sweep import Sweep
from tests.sweeps import prepare, runs_of


@pytest.fixture
def prepared(tmp_path: Any) -> Sweep:
    return prepare(tmp_path, seeds=1)


def attempt(prepared: Sweep, how: RunOptions) -> Event:
    run = runs_of(prepared)[0]
    return attempt_here(run, prepared.slots[0], prepared.store, how, lambda: False)


def test_a_run_in_other_hands_keeps_the_log_of_its_owner(prepared):
    run = runs_of(prepared)[0]
    log = prepared.store.log_path(run)
    log.parent.mkdir(parents=True)
    log.write_text("what the owner says")
    with prepared.store.lock(run):
        assert attempt(prepared, prepared.how) == {"kind": "taken"}
    assert log.read_text() == "what the owner says"
    assert attempt(prepared, prepared.how)["kind"] == "finished"
    assert not log.exists()  # it had nothing to say


def test_a_run_that_failed_in_other_hands_is_tried_again_only_if_asked(prepared):
    prepared.store.write_failure(runs_of(prepared)[0], "it was killed")
    event = attempt(prepared, prepared.how)
    assert (event["kind"], event["reason"], event["fatal"]) == ("failed", "it was killed", False)
    again = prepared.how.model_copy(update={"retry_failed": True})
    assert attempt(prepared, again)["kind"] == "finished"
