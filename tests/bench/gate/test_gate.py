"""The gate at work on small repositories, on itself, and on input that it refuses."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alexbench.bench.gate.gate import GateReport, compare, gate
from alexbench.config.paths import PACKAGE
from alexbench.errors import BadInput, RunFailed
from tests.bench.gate.self_test import raise_for_errors, self_test, sleepy_test

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


def git(folder, *arguments):
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """A repository with this package in it, one commit old."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "alexbench", ignore=ignore)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


@pytest.mark.timing
def test_a_slower_head_fails_and_equal_code_does_not():
    table = self_test(slow_runs=1, equal_runs=1, cases=["lrn_auto"], rounds=12)
    assert list(table["kind"]) == ["slow", "slow", "equal", "equal"]
    assert list(table["clock"]) == ["work", "wall"] * 2
    assert table["fail"][2] == table["fail"][3] == 0
    assert table["pass"][0] == 0  # a fail, or on a machine with more noise than that, no verdict


@pytest.mark.slow
def test_of_ten_slower_heads_all_fail_and_of_twenty_equal_ones_none():
    raise_for_errors(self_test())


@pytest.mark.timing
def test_a_training_step_that_sleeps_fails_by_the_wall_time():
    table = sleepy_test(runs=1, rounds=8).set_index("clock")
    assert table["fail"]["wall"] == 1


@pytest.mark.slow
def test_of_ten_steps_that_sleep_all_fail():
    assert sleepy_test(runs=10).set_index("clock")["fail"]["wall"] == 10


@pytest.mark.slow
def test_a_busy_neighbour_makes_no_equal_head_fail():
    raise_for_errors(self_test(busy=1))


def test_the_self_test_fails_for_a_missed_slowdown_and_for_a_false_alarm():
    table = pd.DataFrame(
        {
            "kind": ["slow", "equal"],
            "clock": ["work", "wall"],
            "pass": [0, 20],
            "fail": [10, 0],
            "inconclusive": [0, 0],
        }
    )
    raise_for_errors(table)
    for wrong, said in (
        (table.assign(inconclusive=[1, 1]), "1 slowed head(s) did not fail, 0 equal"),
        (table.assign(fail=[10, 2]), "0 slowed head(s) did not fail, 2 equal"),
    ):
        with pytest.raises(RunFailed, match=re.escape(said)):
            raise_for_errors(wrong)


def test_what_the_head_does_more_is_found_without_a_clock(repository):
    path = repository / "alexbench" / "data" / "augment.py"
    source = path.read_text()
    line = "        inputs = self.cut(images, change.top_left, change.mirrored)\n"
    assert line in source
    path.write_text(source.replace(line, f"{line}        inputs = inputs.clone()\n"))
    git(repository, "commit", "--quiet", "--all", "--message", "one clone more")
    report = gate("HEAD~1", "cpu", rounds=5, cases=["augment"], repository=repository)
    (calls, *_) = report.counters.to_dict("records")
    assert calls["counter"] == "operator_calls"
    assert calls["head"] > calls["base"]
    with pytest.raises(
        RunFailed, match=r"^throughput gate: .*augment has operator_calls \d+ after "
    ):
        report.raise_for_failures()


def test_a_case_that_the_base_does_not_have_fails_aloud_unless_that_is_allowed(repository):
    shutil.rmtree(repository / "alexbench" / "data")
    git(repository, "commit", "--quiet", "--all", "--message", "without data")
    shutil.copytree(PACKAGE / "data", repository / "alexbench" / "data")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "with data")
    cases = ["lrn_banded", "augment"]
    report = gate("HEAD~1", "cpu", rounds=5, cases=cases, repository=repository)
    assert list(report.timings["case"]) == ["lrn_banded"] * 2
    why = "ModuleNotFoundError: No module named 'alexbench.data'"
    assert report.lines()[0] == f"not compared: augment: the base: {why}"
    with pytest.raises(RunFailed, match="the base cannot run augment: --allow-missing if"):
        report.raise_for_failures()
    passed = report.timings.assign(verdict="pass")  # whatever this machine did meanwhile
    replace(report, allow_missing=True, timings=passed).raise_for_failures()


def test_a_case_that_the_head_cannot_run_and_one_that_there_is_not_are_named(repository):
    path = repository / "alexbench" / "training" / "evaluate.py"
    path.write_text(path.read_text().replace("def evaluate(", "def examine("))
    with pytest.raises(RunFailed, match=r"^gate: the head cannot run evaluation: ImportError: "):
        gate("HEAD", "cpu", 5, ["evaluation"], allow_dirty=True, repository=repository)
    with pytest.raises(BadInput, match=r"^--cases nothing: not one of lrn_auto, "):
        gate("HEAD", "cpu", 5, ["nothing"], allow_dirty=True, repository=repository)


def test_batches_evaluation_and_checkpoints_are_timed_by_both_clocks():
    tree = PACKAGE.parent
    cases = ["batches", "evaluation", "checkpoint"]
    timings = compare(tree, tree, "cpu", 5, cases).timings
    assert list(zip(timings["case"], timings["clock"], strict=True)) == [
        (case, clock) for case in cases for clock in ("work", "wall")
    ]


def test_a_changed_tree_is_refused_and_names_the_file(repository):
    (repository / "alexbench" / "errors.py").write_text("changed = True\n")
    with pytest.raises(
        BadInput, match=r"1 changed file.*the first is alexbench/errors\.py: commit"
    ):
        gate("HEAD", "cpu", repository=repository)


def test_a_revision_that_is_not_there_is_refused(repository):
    with pytest.raises(BadInput, match=r"^--base v9: no such revision in "):
        gate("v9", "cpu", repository=repository)


def test_a_folder_without_history_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"is no git checkout"):
        gate("HEAD", "cpu", repository=tmp_path)


def test_too_few_rounds_are_refused():
    with pytest.raises(BadInput, match=r"^--rounds 4: needs 5 or more$"):
        gate("HEAD", rounds=4)


def report(verdicts, counters=()):
    rows = [
        {"case": f"c{i}", "clock": "wall", "ratio": 1.5, "verdict": word}
        for i, word in enumerate(verdicts)
    ]
    columns = ["case", "counter", "base", "head"]
    return GateReport(pd.DataFrame(rows), pd.DataFrame(counters, columns=columns), {})


def test_inconclusive_is_said_loudly_and_is_no_failure():
    found = report(["pass", "inconclusive"])
    found.raise_for_failures()
    assert found.lines() == [
        "INCONCLUSIVE: c1, wall: too noisy here to say; not counted as a failure",
        "throughput: 1 pass, 0 fail, 1 inconclusive; 0 counter(s) went up",
    ]


def test_failures_are_one_line():
    found = report(["pass", "fail"], [("c0", "flops", 10, 11), ("c1", "flops", 10, 9)])
    with pytest.raises(RunFailed) as caught:
        found.raise_for_failures()
    assert str(caught.value) == (
        "throughput gate: c1 is 1.50 times as slow (wall); c0 has flops 11 after 10"
    )


def test_the_worker_stands_alone_but_for_its_counters():
    worker = Path(PACKAGE / "bench" / "gate" / "worker.py").read_text()
    top = [line for line in worker.splitlines() if line.startswith(("from ", "import "))]
    assert not [line for line in top if "alexbench" in line]


def test_a_folder_in_place_of_a_revision_needs_no_git_and_keeps_the_callers_path(
    tmp_path, monkeypatch
):
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("base", "head"):
        shutil.copytree(PACKAGE, tmp_path / name / "alexbench", ignore=ignore)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "carried.py").write_text("here = True\n")
    layers = tmp_path / "head" / "alexbench" / "data" / "augment.py"
    layers.write_text("import carried\n" + layers.read_text())
    base = tmp_path / "base" / "alexbench" / "data" / "augment.py"
    base.write_text("import carried\n" + base.read_text())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    head = tmp_path / "head"
    report = gate(str(tmp_path / "base"), "cpu", rounds=5, cases=["augment"], repository=head)
    assert set(report.timings["case"]) == {"augment"}
    assert len(report.counters) == 0
