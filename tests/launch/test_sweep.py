"""A whole ablation over real worker processes: what is trained, what is kept, how it fails."""

import dataclasses
import json
import os
import statistics
from pathlib import Path

import pytest

import alexbench
from alexbench.config.execution import Slot
from alexbench.errors import BadInput, RunFailed
from alexbench.launch import estimate, sweep
from alexbench.launch.inspector import gpu
from alexbench.runs import asked_with, record
from alexbench.runs.run import run_id
from alexbench.training.numerics import cpu_has_bf16
from tests.sweeps import ABLATION

COLUMNS = (
    "ablation profile data metric baseline variant num_pairs baseline_mean variant_mean delta "
    "ci_low ci_high p_value paper_delta notebook_delta verdict same_data"
).split()


@pytest.fixture
def ablation(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(ABLATION)
    return str(path)


def records(folder: Path) -> dict[str, int]:
    """Record files and when they were written, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def read_all(folder: Path, variant: str) -> list[dict[str, float]]:
    """The last row of the history of each record of a variant."""
    paths = (folder / "runs").glob(f"{variant}-*.json")
    return [record.read(path).history[-1] for path in paths]


def test_a_sweep_trains_each_variant_with_each_seed_and_writes_the_tables(ablation, tmp_path):
    options = {"results": str(tmp_path / "results"), "jobs": 1}
    comparison = alexbench.run(ablation, seeds=2, **options).comparison
    folder = tmp_path / "results" / "tiny" / "laptop"
    assert list(comparison.columns[: len(COLUMNS)]) == COLUMNS
    assert comparison["num_pairs"].tolist() == [2] * len(comparison)
    first = records(folder / "runs")
    assert sorted(name.split("-")[0] for name in first) == ["narrow", "narrow", "wide", "wide"]
    for name in ("summary.csv", "comparison.csv", "report.md", "curves.png"):
        assert (folder / name).stat().st_size > 0
    assert not list(folder.rglob("*.partial"))

    # A new seed trains only itself; a finished run is never trained again.
    alexbench.run(ablation, seeds=3, **options)
    second = records(folder / "runs")
    assert len(second) == 6
    assert {name: second[name] for name in first} == first

    # The plan knows what is done.
    prepared = sweep.prepare(ablation, options=sweep.sweep_options(seeds=4, **options))
    settled, to_tune = estimate.settled(prepared)
    assert to_tune == 0
    found = estimate.done_and_not(prepared, settled)
    planned = estimate.rows(prepared, settled, found)
    assert planned["state"].tolist() == ["done"] * 6 + ["to do"] * 2
    spent = [row["train_seconds"] + row["evaluate_seconds"] for row in read_all(folder, "narrow")]
    narrow = planned[planned["variant"] == "narrow"]
    assert narrow["seconds"].tolist() == pytest.approx([statistics.median(spent)] * 4)
    assert "6 done, 2 to do; 2 runs to train, after 0 to tune" in estimate.total(
        planned, to_tune, prepared
    )

    # A comment in the YAML changes nothing.
    Path(ablation).write_text("# another day\n" + ABLATION)
    alexbench.run(ablation, seeds=3, **options)
    assert records(folder / "runs") == second

    # Other settings are other runs: the table holds those alone.
    Path(ablation).write_text(ABLATION.replace("train.epochs: 1", "train.epochs: 2"))
    assert set(alexbench.run(ablation, seeds=2, **options).comparison["num_pairs"]) == {2}

    # The record holds what the table is made of.
    done = record.read(max((folder / "runs").glob("wide-seed0-*.json"), key=os.path.getmtime))
    assert (done.status, done.purpose, done.data["test_images"]) == ("finished", "measure", 26)
    assert record.unpack_correct(done).shape == (26,)
    wrong = 100 * (1 - record.unpack_correct(done).mean())
    assert done.history[-1]["test_error"] == pytest.approx(wrong)
    assert sum(map(sum, done.confusion)) == 26
    assert done.environment["num_threads"] == 1
    assert done.measurements["peak_memory_bytes"] > 4 * 3 * done.model["parameters"]


def test_few_test_images_are_enough(ablation, tmp_path):
    settings = ["data.test_images=5"]
    comparison = alexbench.run(
        ablation, seeds=1, settings=settings, results=str(tmp_path), jobs=1
    ).comparison
    assert set(comparison["num_pairs"]) == {1}


def test_tuning_uses_other_seeds_and_extends_a_grid_whose_best_is_at_its_edge(ablation, tmp_path):
    tuned = ABLATION.replace(
        "tune: none\ntune_reason: it is only a test", "tune: {train.lr: [1e-6, 2e-6]}"
    )
    Path(ablation).write_text(tuned)
    alexbench.run(ablation, seeds=1, results=str(tmp_path), jobs=1)
    folder = tmp_path / "tiny" / "laptop"
    tuning = [record.read(path) for path in (folder / "tuning").glob("*.json")]
    assert {done.seed for done in tuning} == {1000}
    assert {done.data["test_images"] for done in tuning} == {52 // 6}  # of the training images
    grid = sorted({done.config["train"]["lr"] for done in tuning})
    assert len(grid) > 2
    asked = sweep.SweepOptions(seeds=2, results=str(tmp_path), jobs=1)
    prepared = sweep.prepare(ablation, options=asked)
    settled, to_tune = estimate.settled(prepared)
    assert to_tune == 0
    found = estimate.done_and_not(prepared, settled)
    assert [run.seed for run, done in found.items() if done is None] == [1, 1]
    for path in (folder / "runs").glob("*.json"):
        done = record.read(path)
        assert done.tuned == {"train.lr": done.config["train"]["lr"]}
        assert done.tuned["train.lr"] in grid


def test_measured_rates_go_on_beyond_a_best_one_at_the_edge_and_a_plan_knows_them(
    ablation, tmp_path
):
    tuned = "tuned: {narrow: {train.lr: 1e-6}, wide: {train.lr: 1e-6}}"
    asked = "tune: {train.lr: [1e-6, 2e-6]}\ntune_neighbours: 1\n"
    asked += f"profiles: {{laptop: {{{tuned}}}}}"
    none = "tune: none\ntune_reason: it is only a test"
    Path(ablation).write_text(ABLATION.replace(none, asked))
    alexbench.run(ablation, seeds=2, results=str(tmp_path), jobs=1)
    folder = tmp_path / "tiny" / "laptop"
    trained = {record.read(path).run_id for path in (folder / "runs").glob("*.json")}
    # such a rate teaches nothing, so that the lowest, at the edge, is as good as any
    assert len(trained) == 2 * 2 * 5
    options = sweep.SweepOptions(seeds=2, results=str(tmp_path), jobs=1)
    prepared = sweep.prepare(ablation, options=options)
    found = estimate.done_and_not(prepared, estimate.settled(prepared)[0])
    assert {run.run_id for run in found} == trained
    assert None not in found.values()
    said = (folder / "report.md").read_text()
    assert "Best rate at the edge of those measured: narrow at train.lr 3.54e-07, wide at" in said


def test_what_is_set_by_hand_never_mixes_with_the_profiles_own_records(ablation, tmp_path):
    settings = ["train.lr=0.1"]
    alexbench.run(ablation, seeds=1, settings=settings, results=str(tmp_path), jobs=1)
    (folder,) = (tmp_path / "tiny").iterdir()
    assert folder.name == asked_with.folder_name("laptop", {"train.lr": 0.1})
    assert asked_with.read(folder) == {"train.lr": 0.1}
    assert "laptop,train.lr=0.1" in (folder / "report.md").read_text()


def test_a_record_that_cannot_be_written_ends_the_sweep_and_keeps_the_others(ablation, tmp_path):
    folder = tmp_path / "tiny" / "laptop"
    (folder / "runs").mkdir(parents=True)
    alexbench.run(ablation, seeds=1, results=str(tmp_path), jobs=1)
    kept, lost = sorted((folder / "runs").glob("*.json"))
    lost.unlink()
    lost.mkdir()  # its record cannot be written
    with pytest.raises(RunFailed, match=r"^wide, seed 0: .*; 1 of 2 runs are finished and kept in"):
        alexbench.run(ablation, seeds=1, results=str(tmp_path), jobs=1)
    assert json.loads(kept.read_text())["variant"] == "narrow"
    assert "Traceback" in next((folder / "logs").glob("wide-*.log")).read_text()


def test_bad_input_is_refused_before_anything_trains(ablation, tmp_path):
    (tmp_path / "file").touch()
    for options, expected in (
        ({"results": str(tmp_path / "file")}, "cannot be written"),
        ({"device": "cuda:9"}, "device cuda:9: not here; allowed are auto, cpu"),
        ({"jobs": 999}, "more than the"),
        ({"profile": "phone"}, "unknown profile 'phone'"),
        ({"on_error": "panic"}, "on_error panic: input should be 'keep' or 'stop'"),
        ({"hang_seconds": 0}, "hang_seconds 0: input should be greater than 0"),
        ({"slurm": ["gpu"]}, "slurm gpu: string should match pattern"),
        ({"seeds": 0}, "seeds: 0 is not allowed, it should be 1 or more"),
    ):
        with pytest.raises(BadInput, match=expected):
            alexbench.run(ablation, **{"results": str(tmp_path / "new"), **options})
    assert not list((tmp_path / "new").rglob("*.json"))


def test_on_cuda_a_runs_id_names_the_gpu_its_driver_and_torch(ablation, tmp_path):
    prepared = sweep.prepare(ablation, options=sweep.sweep_options(results=str(tmp_path), jobs=1))
    config = prepared.ablation.variants["wide"]
    assert prepared.identity(config)["device"] == "cpu"
    elsewhere = dataclasses.replace(prepared, slots=[Slot("cuda:0")])
    ids = {prepared.identity(config)["device"]}
    for model, driver, torch in [
        ("H100", "580", "2.14"),
        ("H200", "580", "2.14"),
        ("H100", "590", "2.14"),
        ("H100", "580", "2.11"),
    ]:
        told = {"device": model, "driver": driver, "torch": torch}
        prepared.inspector.answers[gpu, ("cuda:0",)] = told
        assert elsewhere.identity(config)["device"] == told
        ids.add(run_id(config, 0, elsewhere.identity(config)))
    assert len(ids) == 5
    prepared.inspector.end()


def test_bf16_is_refused_before_anything_trains_on_a_processor_without_it(ablation, tmp_path):
    if cpu_has_bf16():
        pytest.skip("this processor has it")
    options = sweep.sweep_options(
        results=str(tmp_path), device="cpu", settings=["train.precision=bf16"]
    )
    with pytest.raises(BadInput, match=r"^train.precision bf16: this processor has neither"):
        sweep.prepare(ablation, options=options)
