"""Runs of wandb and trackio, where these are installed: on this machine alone."""

import importlib.util
import json
import sqlite3

import pytest

from alexbench.errors import BadInput
from alexbench.launch.task import attempt
from tests.sweeps import ABLATION, prepare, runs_of

PACKAGES = ("wandb", "trackio")


def train(tmp_path, package):
    """Train two runs of three epochs in this process; returns the sweep and their records."""
    if not importlib.util.find_spec(package):  # not imported: it reads the environment then
        pytest.skip(f"needs alexbench[{package}]")
    text = ABLATION.replace("train.epochs: 1", "train.epochs: 3")
    prepared = prepare(tmp_path, text, seeds=1, tracker=package)
    where = prepared.slots[0], prepared.store, prepared.options
    for run in runs_of(prepared):
        attempt(run, *where, send=lambda event: None, asked_to_stop=lambda: False)
    return prepared, [prepared.store.read_record(run) for run in runs_of(prepared)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_is_missing_is_told_before_anything_trains(tmp_path, package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    with pytest.raises(BadInput, match=rf"--tracker {package} needs it: pip install 'alexbench\["):
        prepare(tmp_path, tracker=package)


def test_another_package_is_refused(tmp_path):
    with pytest.raises(BadInput, match="--tracker mlflow: input should be 'wandb' or 'trackio'"):
        prepare(tmp_path, tracker="mlflow")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the packages' own
def test_trackio_has_every_number_of_the_history_of_each_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_SERVER_URL", "http://127.0.0.1:9")  # nothing is sent there
    prepared, records = train(tmp_path, "trackio")
    (path,) = (prepared.folder / "trackio").glob("*.db")
    with sqlite3.connect(path) as base:
        rows = base.execute("select run_name, step, metrics from metrics").fetchall()
        configs = dict(base.execute("select run_name, config from configs").fetchall())
    for run, record in zip(runs_of(prepared), records, strict=True):
        assert record
        found = [(step, json.loads(said)) for name, step, said in rows if name == run.stem]
        assert [step for step, _ in sorted(found)] == [1, 2, 3]
        for step, numbers in found:
            row = record.history[step - 1]
            assert numbers["test_error"] == pytest.approx(row["test_error"])
            assert numbers["train_loss"] == pytest.approx(row["train_loss"])
        assert json.loads(configs[run.stem])["model"]["name"] == "cifar4"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the packages' own
def test_wandb_has_a_folder_a_run_that_was_not_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    prepared, records = train(tmp_path, "wandb")
    assert all(records)
    files = sorted((prepared.folder / "wandb").glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    for run, content in zip(runs_of(prepared), (path.read_bytes() for path in files), strict=True):
        assert run.stem.encode() in content
        assert content.count(b"test_error") >= 3
