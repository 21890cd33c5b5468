"""The launcher imports no torch: it asks a child process, which ends before runs train."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alexbench.config.execution import Slot
from alexbench.config.schema import DataConfig
from alexbench.errors import BadInput, RunFailed
from alexbench.launch.events import Notify
from alexbench.launch.inspector import Inspector, data_sha256, find_slots
from alexbench.launch.sweep import train_missing
from alexbench.runs.run import Run
from alexbench.runs.store import Failure
from tests.sweeps import ABLATION, prepare, runs_of

GLYPHS = DataConfig(name="glyphs", image_size=32, train_images=26, test_images=26)
OTHERS = GLYPHS.model_copy(update={"train_images": 52})
LAUNCHER = """
import sys, alexbench
alexbench.run(sys.argv[1], seeds=1, results=sys.argv[2], jobs=1)
print("torch" in sys.modules, open("/proc/self/status").read())
"""
ASKER = """
import os, time
from alexbench.launch.inspector import Inspector
inspector = Inspector(here=False)
print(inspector.ask(os.getpid), flush=True)
inspector.ask(time.sleep, 600)
"""


def has_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def test_whoever_runs_a_sweep_never_imports_torch_and_stays_below_500_mib(tmp_path):
    (tmp_path / "tiny.yaml").write_text(ABLATION)
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path / "tiny.yaml"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("False")
    # not ru_maxrss: a process starts with that of the one that started it
    most = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert most
    assert int(most[1]) < 500 * 1024


def test_the_answers_and_the_errors_of_another_process_are_those_of_this_one(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("ALEXBENCH_CACHE", str(cache))
    here, elsewhere = Inspector(here=True), Inspector(here=False)
    devices = "cpu", None, 1, "images", 1, []
    for question in ((find_slots, *devices), (data_sha256, GLYPHS, None)):
        assert elsewhere.ask(*question) == here.ask(*question)
    shutil.rmtree(cache)
    cache.touch()  # no folder for images any more
    for kind, expected, *question in (
        (BadInput, "--device cuda:9: not here", find_slots, "cuda:9", *devices[1:]),
        (BadInput, "glyphs are drawn, not read", data_sha256, GLYPHS, "images"),
        (ZeroDivisionError, "by zero", divmod, 1, 0),
        (RunFailed, "cannot write .* of decoded images", data_sha256, OTHERS, None),
    ):
        said = []
        for inspector in (here, elsewhere):
            with pytest.raises(kind, match=expected) as caught:
                inspector.ask(*question)
            said.append((type(caught.value), str(caught.value)))
        assert said[0] == said[1]
    elsewhere.end()


def test_its_death_is_one_line_and_the_next_question_finds_another():
    inspector = Inspector(here=False)
    for death, expected in (
        ((signal.raise_signal, signal.SIGKILL), "was killed (signal 9): was the machine out of"),
        ((os._exit, 3), "ended with status 3"),
    ):
        with pytest.raises(RunFailed) as caught:
            inspector.ask(*death)
        line = str(caught.value)
        assert line.startswith(f"while devices and data were looked at: its process {expected}")
        assert "\n" not in line
    assert inspector.ask(os.getpid) != os.getpid()
    inspector.end()


def test_it_ends_by_itself_where_the_launcher_ignores_ctrl_c_as_in_the_background():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        inspector = Inspector(here=False)
        inspector.ask(os.getpid)
        assert inspector.child
        process = inspector.child.process
        inspector.end()
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.returncode == 0


def test_its_memory_is_free_when_runs_are_trained(tmp_path):
    prepared = replace(prepare(tmp_path, seeds=1), inspector=Inspector(here=False))
    runs = runs_of(prepared)
    assert prepared.inspector.child
    process = prepared.inspector.child.process
    assert process.poll() is None
    given: list[Run] = []

    def perform(runs: Sequence[Run], slots: Sequence[Slot], notify: Notify) -> list[Failure]:
        given.extend(runs)
        assert process.returncode == 0
        return []

    train_missing(prepared, perform, runs)
    assert given == runs


def test_a_command_that_is_interrupted_meanwhile_leaves_without_a_traceback(tmp_path):
    (tmp_path / "tiny.yaml").write_text(ABLATION)
    command = [sys.executable, "-m", "alexbench", "run", "tiny.yaml"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not any(has_torch(int(child)) for child in children.read_text().split()):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


def test_an_answer_that_was_not_waited_for_is_not_the_next_one():
    inspector = Inspector(here=False)
    with pytest.raises(KeyboardInterrupt):
        inspector.ask(os.kill, os.getpid(), signal.SIGINT)  # before it answers
    assert inspector.ask(abs, -3) == 3
    inspector.end()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_in_the_middle_of_an_answer_when_whoever_asks_is_gone(end):
    process = subprocess.Popen(
        [sys.executable, "-c", ASKER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert int(process.stdout.readline()) != process.pid
    process.send_signal(end)
    assert process.communicate(timeout=60) == ("", "")  # both of them have closed their stderr
