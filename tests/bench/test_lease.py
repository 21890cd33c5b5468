"""The ten minutes on a borrowed GPU, on a machine that has none: every phase ends, and says how."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import torch

from benchmarks.lease import (
    LIMIT,
    MOST_FILES,
    MPS,
    TESTED,
    TOTAL_SECONDS,
    Phase,
    chosen,
    keep,
    perform,
    phases,
    take_up,
    with_mps,
)

TREE = Path(__file__).parents[2]


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_phase_ends_by_its_deadline_with_all_its_processes(tmp_path):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time;"
    code += " print(1, flush=True); time.sleep(600)'])"
    began = time.monotonic()
    outcome = perform(Phase("long", 1.0, (python(code),)), tmp_path / "log", left=500)
    assert outcome.status == "deadline"
    assert time.monotonic() - began < 30
    assert perform(Phase("late", 500, (python(code),)), tmp_path / "log", 0.5).status == "deadline"


def test_a_command_that_takes_too_long_leaves_the_next_its_share_of_the_time(tmp_path):
    slow = python("import time; print('slow', flush=True); time.sleep(600)")
    quick = python("print('quick', flush=True)")
    outcome = perform(Phase("both", 8, (slow, quick)), tmp_path / "log", left=500)
    assert (outcome.status, outcome.why) == ("deadline", slow[2])
    assert "\nquick\n" in (tmp_path / "log").read_text()
    assert 2 <= outcome.seconds < 30


def test_a_failed_command_fails_its_phase_and_stops_no_other_and_the_log_has_its_words(tmp_path):
    commands = (python("print('first')"), python("import sys; sys.exit('broken')"))
    commands += (python("print('third')"), python("import sys; sys.exit(3)"))
    outcome = perform(Phase("bad", 60, commands), tmp_path / "log", left=500)
    assert (outcome.status, outcome.why[:13]) == ("failed", "exit status 1")
    log = (tmp_path / "log").read_text()
    for word in ("first", "broken", "third"):
        assert f"\n{word}\n" in log
    assert [line[-1] for line in log.splitlines() if line.startswith("--- ")] == list("0103")
    assert perform(Phase("good", 60, commands[:1]), tmp_path / "log", 500).status == "done"


def test_the_phases_take_ten_minutes_at_most_and_every_command_is_one_of_ours(tmp_path):
    planned = phases(tmp_path, tmp_path, "images")
    for portion in (1, 2):
        taken = [phase.seconds for phase in chosen(planned, [], portion) if phase.needs_gpu]
        assert 500 < sum(taken) <= TOTAL_SECONDS
    assert len(chosen(planned, [], 1)) + len(chosen(planned, [], 2)) == len(planned)
    for command in (command for phase in planned for command in phase.commands):
        assert command[:2] == (sys.executable, "-m")
        assert (TREE / command[2].replace(".", "/")).exists() or command[2] in (
            "benchmarks.throughput",
            "pytest",
        )


def test_some_phases_alone_share_all_the_time_in_proportion(tmp_path):
    planned = phases(tmp_path, tmp_path, None)
    runs, bench = chosen(planned, ["bench", "runs"])
    assert (runs.name, bench.name) == ("runs", "bench")  # in the order of their worth
    assert (runs.seconds, bench.seconds) == (TOTAL_SECONDS * 180 / 350, TOTAL_SECONDS * 170 / 350)
    with pytest.raises(SystemExit, match=r"^--only sleep: has to be of \['smoke', "):
        chosen(planned, ["sleep"])


def test_a_command_hears_how_many_seconds_are_left_to_it(tmp_path):
    said = python("import sys; print('left', sys.argv[1])")
    perform(Phase("limited", 100, ((*said, LIMIT),)), tmp_path / "log", left=60)
    assert "\nleft 20\n" in (tmp_path / "log").read_text()  # and 40 s to end and to write


@pytest.mark.skipif(shutil.which(MPS) is not None, reason="MPS is here")
def test_a_phase_under_mps_is_skipped_aloud_where_mps_does_not_start(tmp_path):
    phase = Phase("packing_mps", 30, (python("print('run')"),), mps=True)
    outcome = with_mps(phase, tmp_path / "log", left=500)
    assert outcome.status == "skipped"
    assert "MPS does not start" in outcome.why
    assert not (tmp_path / "log").exists()


def test_every_test_that_needs_a_gpu_is_where_the_lease_looks():
    """Elsewhere a test may import what a bare machine lacks, which would end them all."""
    marker = "mark." + "gpu"
    found = [path.relative_to(TREE) for path in TREE.glob("tests/**/test_*.py")]
    with_gpu = [path for path in found if marker in (TREE / path).read_text()]
    assert len(with_gpu) >= 6
    assert [path for path in with_gpu if not str(path).startswith(TESTED)] == []


@pytest.mark.slow
def test_a_portion_goes_on_where_the_one_before_was_stopped(tmp_path):
    run = ("run", "lrn", "--seeds", "1", "--jobs", "1", "--set", "train.epochs=5000")
    small = ("--set", "data.train_images=52", "--set", "data.test_images=52", "--device", "cpu")
    for number in range(2):
        work = tmp_path / f"work{number}"
        command = (
            sys.executable,
            "-m",
            "alexbench",
            *run,
            *small,
            "--results",
            str(work / "results"),
        )
        if number:
            take_up(tmp_path / "results.tar.gz", work)
        log = tmp_path / f"log{number}"
        assert perform(Phase("runs", 90, (command,)), log, left=500).status == "deadline"
        keep(tmp_path, work)
    assert "resumed after" not in (tmp_path / "log0").read_text()
    assert "resumed after" in (tmp_path / "log1").read_text()


def test_what_comes_back_is_whole_archives(tmp_path):
    out, work = tmp_path / "out", tmp_path / "work"
    (work / "results" / "lrn").mkdir(parents=True)
    (work / "results" / "lrn" / "a.json").write_text("{}")
    out.mkdir()
    keep(out, work)
    keep(out, work)
    assert [path.name for path in out.iterdir()] == ["results.tar.gz"]
    with tarfile.open(out / "results.tar.gz") as tar:
        assert "results/lrn/a.json" in tar.getnames()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which has other tests")
def test_without_a_gpu_and_without_installation_it_runs_through_and_says_what_it_skips(tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, str(TREE / "benchmarks" / "lease.py"), str(out), "--images", "none"],
        env={**os.environ, "PYTHONPATH": str(TREE), "ALEXBENCH_COMMIT": "0123abc"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads((out / "phases.json").read_text())
    states = {phase["name"]: phase["status"] for phase in ended["phases"]}
    assert states.pop("smoke") == "done", (out / "log.txt").read_text()
    assert set(states.values()) == {"skipped"}
    first = {"tests", "lrn", "throughput", "alexnet", "images", "plan", "runs"}
    assert states.keys() == first
    for name in states:
        assert f"{name}: skipped needs a GPU, and there is none here" in done.stdout
    assert len(list(out.iterdir())) <= MOST_FILES
    assert (ended["facts"]["gpu"], ended["clock"]) == (None, "not read")
