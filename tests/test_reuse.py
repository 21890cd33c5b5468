"""A run with one id in two ablations is trained once; the other has a copy of its record."""

from dataclasses import replace

import pytest

import alexbench
from alexbench import estimate, record, reuse, sweep
from alexbench.plan import Run
from alexbench.report import html
from tests.records import make
from tests.sweeps import ABLATION, prepare, runs_of

OTHER = (
    ABLATION.replace("narrow", "thin")
    .replace("wide", "wider")
    .replace("0.25", "0.375")
    .replace("claims: {lrn: wider}", "claims: {}")
)


def test_what_another_ablation_has_trained_is_copied_and_not_trained_again(tmp_path):
    results = tmp_path / "results"
    for name, text in (("first", ABLATION), ("second", OTHER)):
        (tmp_path / f"{name}.yaml").write_text(text)
    options = {"seeds": 1, "results": str(results), "jobs": 1}
    alexbench.run(str(tmp_path / "first.yaml"), **options)
    prepared = sweep.prepare(str(tmp_path / "second.yaml"), **options)
    found = estimate.done_and_not(prepared, prepared.ablation)
    assert [run.variant for run, done in found.items() if done is None] == ["wider"]
    assert not (results / "second").exists()  # to plan copies nothing

    comparison = alexbench.run(str(tmp_path / "second.yaml"), **options)
    assert set(comparison["num_pairs"]) == {1}
    narrow, thin = (
        record.read(next((results / folder).glob(f"laptop/runs/{variant}-*.json")))
        for folder, variant in (("first", "narrow"), ("second", "thin"))
    )
    assert thin == replace(  # with its times: it was not trained again
        narrow,
        ablation="second",
        variant="thin",
        environment={"trained_for": "first/laptop"} | narrow.environment,
    )
    wider = record.read(next((results / "second").glob("laptop/runs/wider-*.json")))
    assert "trained_for" not in wider.environment
    told = dict(html.provenance([thin, wider]))["Trained for"]
    assert told == "first/laptop (1 runs); this ablation (1 runs)"
    assert (results / "second/laptop/pictures/thin-seed0.json").is_file()


@pytest.fixture
def run(tmp_path) -> Run:
    return runs_of(prepare(tmp_path, seeds=1))[0]


def test_a_record_is_taken_from_its_own_place_alone(run, tmp_path):
    folder, other = tmp_path / "results/tiny/laptop", tmp_path / "results/other/laptop"
    done = make("thin", ablation="other", run_id=run.run_id)
    record.write(done, run.record_path(other))
    assert reuse.known(run, folder).environment["trained_for"] == "other/laptop"
    for stranger in (
        replace(done, ablation="moved by hand"),
        replace(done, run_id=run.run_id[:10] + "0" * 54),
    ):
        record.write(stranger, run.record_path(other))
        assert reuse.take(run, folder) is None
    assert not run.record_path(folder).exists()


def test_a_run_whose_outputs_are_averaged_is_always_trained(run, tmp_path):
    other = tmp_path / "results/other/laptop"
    record.write(make(ablation="other", run_id=run.run_id), run.record_path(other))
    keeping = replace(run, keep_views=("centre",))
    assert reuse.take(keeping, tmp_path / "results/tiny/laptop") is None
