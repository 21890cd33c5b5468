"""Sweeps with parts of one's own: ids, worker processes, and reports without the files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alexbench import run
from alexbench.config import own_parts
from alexbench.errors import BadInput
from alexbench.launch import estimate, sweep
from alexbench.runs import record
from alexbench.runs.run import from_json, to_json
from tests.sweeps import ABLATION, prepare, runs_of
from tests.training.test_own import PARTS

OWN = ABLATION.replace("{model.width: 0.25}", "{model.name: ./parts.py:build, model.width: 0.25}")
NET = PARTS.replace("    assert (model.width, input_size) == (0.25, 16)\n", "").replace(
    "16, num", "36, num"
)
ALL = OWN + "  swish: {model.width: 0.125, model.activation: ./parts.py:swish}\n"
ALL += "  fading: {model.width: 0.125, train.optimizer: ./parts.py:make}\n"
DATA = """
import numpy as np


def load(data, data_root):
    labels = np.arange(52) % 3
    shape = (52, data.image_size, data.image_size, 3)
    images = np.broadcast_to(80 * labels[:, None, None, None], shape).astype(np.uint8)
    return images, labels, images, labels, ["dark", "grey", "light"]
"""


def ids(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / "parts.py").write_text(text)
    return {each.variant: each.run_id for each in runs_of(prepare(tmp_path, OWN, seeds=1))}


def test_a_changed_file_changes_the_ids_of_the_runs_that_use_it_alone(tmp_path):
    before, after = ids(tmp_path, NET), ids(tmp_path, NET + "\n# a remark\n")
    assert before["wide"] != after["wide"]
    assert before["narrow"] == after["narrow"]
    assert ids(tmp_path, NET) == before


def test_another_process_gets_the_text_with_the_run(tmp_path, monkeypatch):
    ids(tmp_path, NET + "\n# of this test alone\n")
    wide = runs_of(prepare(tmp_path, OWN, seeds=1))[1]
    monkeypatch.setattr(own_parts, "_sources", {})  # as in a process that has just started
    with pytest.raises(BadInput, match=r"./parts.py: stands in no ablation's file that was read"):
        own_parts.function(wide.config.model.name)
    assert callable(own_parts.function(from_json(to_json(wide)).config.model.name))


def test_what_is_wrong_ends_the_sweep_before_anything_trains(tmp_path):
    (tmp_path / "parts.py").write_text(NET.replace("36, num", "35, num"))
    prepared = prepare(tmp_path, OWN, seeds=1)
    with pytest.raises(BadInput, match=r"^./parts.py:build: RuntimeError: .*reduction dim"):
        sweep.carry_out(prepared)
    assert not list(prepared.folder.glob("runs/*"))


def test_settings_of_a_call_name_no_code(tmp_path):
    said = r"^settings: model.name: ./parts.py:build: code that runs must stand in the ablation's"
    with pytest.raises(BadInput, match=said):
        run("lrn", settings={"model.name": "./parts.py:build"}, results=tmp_path)


def alexbench(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "alexbench", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow  # ten processes import torch
def test_every_part_trains_in_workers_and_reports_without_its_file(tmp_path):
    (tmp_path / "own.yaml").write_text(
        ALL.replace("config:\n", "config:\n  data.name: ./mydata.py:load\n")
    )
    (tmp_path / "parts.py").write_text(NET)
    (tmp_path / "mydata.py").write_text(DATA)
    done = alexbench(tmp_path, "run", "own.yaml", "--seeds", "2", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    records, refused = record.read_folder(tmp_path / "results" / "own" / "laptop" / "runs")
    assert refused == []
    assert [each.status for each in records] == ["finished"] * 8
    assert {each.data["name"] for each in records} == {"./mydata.py:load"}
    assert sorted(records[0].files) == [
        f"ablations/{name}" for name in ("mydata.py", "own.yaml", "parts.py")
    ]
    plan = alexbench(tmp_path, "plan", "own.yaml", "--seeds", "2")
    assert "8 done; 0 runs to train" in plan.stdout, plan.stderr
    shown = alexbench(tmp_path, "show", "own.yaml")
    assert "model.name = ./parts.py:build@" in shown.stdout
    table = tmp_path / "results" / "own" / "laptop" / "comparison.csv"
    before = table.read_bytes()
    for name in ("own.yaml", "parts.py", "mydata.py", str(table)):
        (tmp_path / name).unlink()
    again = alexbench(tmp_path, "report", "own")
    assert again.returncode == 0, again.stderr
    assert table.read_bytes() == before


@pytest.mark.slow  # two processes import torch
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_mistake_in_a_part_is_one_line_with_status_2(tmp_path, command):
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "parts.py").write_text("def build(model, num_classes, input_size):\n    1 / 0\n")
    done = alexbench(tmp_path, command, "own.yaml", "--jobs", "1")
    assert done.returncode == 2
    assert done.stderr == "error: ./parts.py:build: line 2: ZeroDivisionError: division by zero\n"


def test_a_plan_refuses_a_net_that_cannot_train_as_a_run_does(tmp_path):
    (tmp_path / "parts.py").write_text(NET.replace("36, num", "35, num"))
    prepared = prepare(tmp_path, OWN, seeds=1)
    with pytest.raises(BadInput, match=r"^./parts.py:build: RuntimeError: .*reduction dim"):
        estimate.rows(prepared, prepared.ablation, {each: None for each in runs_of(prepared)})


@pytest.mark.slow  # a process imports torch
def test_what_a_part_prints_is_not_in_a_plans_json(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "parts.py").write_text("print('hello')\n" + NET)
    done = alexbench(tmp_path, "plan", "own.yaml", "--seeds", "1", "--json")
    assert len(json.loads(done.stdout)["runs"]) == 2
    assert "hello" in done.stderr
