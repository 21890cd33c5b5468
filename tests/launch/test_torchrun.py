"""A sweep under torchrun: the first process leads, the others follow."""

import subprocess
import sys
from pathlib import Path

import pytest

from alexbench.errors import BadInput
from alexbench.launch.sweep import SweepOptions, prepare
from alexbench.launch.torchrun import own_device
from alexbench.runs import record

ABLATION = """
title: A tiny question
question: Is the net as good in two processes as on one device?
baseline: one
metrics: [test_error, exchanged_megabytes]
tune: none
tune_reason: it is only a test
config:
  data.train_images: 52
  data.test_images: 26
  model.width: 0.0625
  train.lr: 0.01
  train.epochs: 1
variants:
  one: {}
  two: {train.placement: processes}
  hybrid: {train.placement: hybrid, train.replicas: 2}
"""


@pytest.mark.slow
def test_every_run_is_trained_by_as_many_processes_as_it_needs(tmp_path: Path) -> None:
    """Three processes: the third one has nothing to do."""
    (tmp_path / "tiny.yaml").write_text(ABLATION)
    command = ["torch.distributed.run", "--nproc-per-node", "3", "-m", "alexbench", "run"]
    options = ["--seeds", "1", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(tmp_path / "tiny.yaml"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {
        run.variant: run for run in map(record.read, (tmp_path / "tiny/laptop/runs").iterdir())
    }
    assert found.keys() == {"one", "two", "hybrid"}
    loss = found["one"].history[0]["train_loss"]
    assert [run.history[0]["train_loss"] for run in found.values()] == pytest.approx([loss] * 3)


def test_a_sweep_has_one_leader_whatever_the_cores(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text(ABLATION)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    prepared = prepare(str(tmp_path / "tiny.yaml"), options=SweepOptions(results=str(tmp_path)))
    assert len(prepared.slots) == 1
    for variant in prepared.ablation.variants.values():
        assert len(prepared.slots_for(variant.train)) == 1
    with pytest.raises(BadInput, match="--jobs 2: torchrun's processes train one run at a time"):
        prepare(str(tmp_path / "tiny.yaml"), options=SweepOptions(results=str(tmp_path), jobs=2))


def test_a_follower_takes_the_device_of_its_own_place_on_its_host(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert [own_device(name) for name in ("cuda:0", "cpu")] == ["cuda:3", "cpu"]
