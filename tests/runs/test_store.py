"""A run with one id in two folders of the results is trained once; the other has a copy of it."""

from dataclasses import replace
from pathlib import Path

import pytest

import alexbench
from alexbench.launch import estimate, sweep
from alexbench.report import html
from alexbench.runs import record
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run
from alexbench.runs.store import RunStore
from tests.records import GLYPHS, MACHINE, of_run
from tests.sweeps import ABLATION, prepare, runs_of

TUNED = ABLATION.replace(
    "tune: none\ntune_reason: it is only a test", "tune: {train.lr: [0.01, 0.02]}"
)
OTHER = TUNED.replace("narrow", "thin").replace("wide", "wider").replace("0.25", "0.375")


def only(folder: Path, pattern: str) -> RunRecord:
    (path,) = folder.glob(pattern)
    return record.read(path)


def test_what_another_ablation_has_trained_and_tuned_is_copied_and_not_trained_again(
    tmp_path, capsys
):
    for name, text in (("first", TUNED), ("second", OTHER)):
        (tmp_path / f"{name}.yaml").write_text(text)
    options = {"seeds": 1, "results": str(tmp_path / "results"), "jobs": 1}
    first, second = (tmp_path / "results" / name / "laptop" for name in ("first", "second"))
    alexbench.run(str(tmp_path / "first.yaml"), **options)
    tuned = len(list(first.glob("tuning/narrow-*.json")))

    asked = sweep.sweep_options(**options)
    prepared = sweep.prepare(str(tmp_path / "second.yaml"), options=asked)
    assert estimate.settled(prepared)[1] == 2  # the grid of wider: that of thin is known
    assert not second.exists()  # to plan copies nothing
    run = next(run for run in runs_of(prepared) if run.variant == "thin")
    prepared.store.write_failure(run, "an earlier attempt")

    comparison = alexbench.run(str(tmp_path / "second.yaml"), **options).comparison
    pairs = dict(zip(comparison["metric"], comparison["num_pairs"], strict=True))
    assert pairs == {"test_error": 1, "top5_error": 1, "step_seconds": 0}  # timed on another day
    narrow, thin = only(first, "runs/narrow-*.json"), only(second, "runs/thin-*.json")
    assert thin == replace(  # with its times: it was not trained again
        narrow,
        ablation="second",
        variant="thin",
        files=thin.files,
        environment={"trained_for": "first/laptop"} | narrow.environment,
    )
    assert thin.files == {"ablations/second.yaml": (tmp_path / "second.yaml").read_text()}
    assert len(list(second.glob("tuning/thin-*.json"))) == tuned
    assert "1 are copied from first/laptop, not trained again" in capsys.readouterr().err
    assert len(list(second.glob("pictures/thin-seed0-*.json"))) == 1
    wider = only(second, "runs/wider-*.json")
    assert "trained_for" not in wider.environment
    told = dict(html.provenance([thin, wider]))["Trained for"]
    assert told == "first/laptop (1 runs); this ablation (1 runs)"


@pytest.fixture
def run(tmp_path) -> Run:
    planned = runs_of(prepare(tmp_path, seeds=1))[0]
    return replace(planned, run_id=of_run(planned).run_id)


@pytest.fixture
def stores(tmp_path) -> tuple[RunStore, RunStore]:
    """The run's own store, and that of another ablation."""
    return RunStore(tmp_path / "results/tiny/laptop"), RunStore(tmp_path / "results/other/laptop")


def test_a_copy_of_a_copy_says_what_it_was_trained_for(run, stores):
    own, other = stores
    environment = MACHINE | {"trained_for": "lrn/laptop"}
    done = of_run(run, ablation="other", environment=environment)
    record.write(done, other.record_path(run))
    assert own.copy_known([run]) == ["lrn/laptop"]
    assert own.copy_known([run]) == []  # it is there


@pytest.mark.parametrize(
    "difference",
    [
        {"ablation": "moved by hand"},
        {"run_id": "0" * 64},
        {"measurements": {"views": "ten_crop", "test_error": 30.0}},  # an average of outputs
    ],
)
def test_only_a_trained_record_of_that_id_in_its_own_place_is_taken(run, stores, difference):
    own, other = stores
    done = of_run(run, ablation="other")
    record.write(replace(done, **difference), other.record_path(run))
    assert own.known([run]) == {}
    assert own.copy_known([run]) == []


def test_runs_that_keep_outputs_or_are_timed_alone_are_always_trained(run, stores):
    own, other = stores
    record.write(of_run(run, ablation="other"), other.record_path(run))
    train = run.config.train.model_copy(update={"alone": True})
    timed = replace(run, config=run.config.model_copy(update={"train": train}))
    assert own.copy_known([replace(run, keep_views=("centre",)), timed]) == []
    assert own.copy_known([run]) == ["other/laptop"]


def test_nothing_is_copied_when_told_so(tmp_path, stores):
    own, other = stores
    prepared = prepare(tmp_path, seeds=1, reuse=False)
    run = runs_of(prepared)[0]
    numerics = prepared.identity(run.config)
    done = of_run(
        run,
        ablation="other",
        data=GLYPHS | {"sha256": numerics["data_sha256"]},
        environment=MACHINE | {"num_threads": numerics["num_threads"]},
    )
    assert done.run_id == run.run_id
    record.write(done, other.record_path(run))
    assert own.known([run])
    sweep.carry_out(prepared)
    assert "trained_for" not in record.read(own.record_path(run)).environment
