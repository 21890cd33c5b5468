"""A child process and its parent: messages both ways, and how it ends."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from alexbench.config.paths import PACKAGE
from alexbench.launch.child import Child, describe
from alexbench.launch.events import FailedEvent, FinishedEvent, TakenEvent, from_json, to_json

ECHO = """
from alexbench.config.paths import PACKAGE
from alexbench.launch.child import Parent
parent = Parent()
print("a library talks")
while True:
    parent.send({"heard": parent.hear()})
"""
SLEEPER = """
import subprocess, sys
sleeper = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
print(sleeper.pid, flush=True)
sleeper.wait()
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs or sleeps; one that ended may still be listed (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_messages_go_both_ways_and_what_is_printed_is_none():
    child = Child("-c", ECHO, stderr=subprocess.DEVNULL)
    for message in ([1, None], {"text": "two\nlines"}):
        child.send(message)
        assert child.hear() == {"heard": message}
    child.process.kill()
    with pytest.raises(EOFError):
        child.hear()
    child.send("nobody is there")
    assert describe(child.process.wait()).startswith("its process was killed (signal 9)")
    child.end()


def test_the_end_of_a_child_is_the_end_of_the_processes_that_it_started():
    child = Child("-c", SLEEPER)
    sleeper = child.hear()
    assert is_alive(sleeper)
    child.end()
    given_up = time.monotonic() + 60  # it would sleep for ten minutes
    while is_alive(sleeper) and time.monotonic() < given_up:
        time.sleep(0.01)
    assert not is_alive(sleeper)


def test_the_end_of_a_process_has_words():
    assert describe(3) == "its process ended with status 3"
    assert describe(-signal.SIGTERM) == "its process ended by signal 15 (SIGTERM)"


@pytest.mark.parametrize(
    "event", [TakenEvent(), FinishedEvent("diverged", {"epoch": 1}), FailedEvent("why", "log")]
)
def test_an_event_is_the_same_on_the_other_side(event):
    assert from_json(to_json(event)) == event


def test_a_child_runs_the_package_of_its_parent_whatever_the_callers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "alexbench").mkdir()
    (tmp_path / "alexbench" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-16")
    monkeypatch.setenv("MPLBACKEND", "module://no.such.notebook")
    child = Child("-c", f"{WHERE}{ECHO}", stderr=subprocess.DEVNULL)
    assert Path(child.hear()).parent == PACKAGE
    child.send({"text": "\u00fc"})
    assert child.hear() == {"heard": {"text": "\u00fc"}}
    child.end()


WHERE = """
import json, alexbench, matplotlib.figure
print(json.dumps(alexbench.__file__), flush=True)
"""
