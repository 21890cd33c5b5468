"""Threats to validity, each from records made by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alexbench.report import build
from alexbench.report.threats import threats
from alexbench.runs import record
from tests.records import LRN, MACHINE, make, whole, with_delta, write_records


def told(records: list[Any], folder: Path) -> str:
    write_records(records, folder)
    return "\n".join(threats(build.gather(LRN, "laptop", folder, print, None)))  # type: ignore[arg-type]


def changed(**changes: Any) -> list[Any]:
    """Six pairs of which the runs of ``both`` are changed."""
    return [replace(run, **changes) if run.variant == "both" else run for run in with_delta(-1.4)]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (with_delta(-1.4), "Other data: measured on glyphs; the claims are about ImageNet"),
        (with_delta(-1.4), "One rate an arm"),
        (with_delta(-1.4), "Rates were not tuned"),
        (with_delta(-1.4)[:-2], "Fewer seeds in some arms: both 4; the others have 6."),
        ([r for r in with_delta(-1.4) if r.seed < 3], "Few seeds: 3 an arm"),
        (changed(model={"parameters": 2000, "flops": 2000}), "Unequal parameters: both has 2.00"),
        (changed(environment=MACHINE | {"dirty": True}), "Uncommitted code: 6 of 12 records"),
        (changed(environment=MACHINE | {"processor": "other"}), "Several processors"),
        (
            changed(environment=MACHINE | {"slowed_by": ["power cap"]}),
            "Slowed GPU: 6 of 12 runs, by power cap.",
        ),
        (
            [*with_delta(-1.4), make("none", 6, (96.0, 96.0)), make("both", 6, (96.0, 30.0))],
            "Nets at chance: 1 of none did not learn",
        ),
    ],
)
def test_a_threat_is_read_from_the_records(
    tmp_path: Path, records: list[Any], expected: str
) -> None:
    assert expected in told(records, tmp_path)


def test_thin_tuning_is_said_with_its_seeds(tmp_path: Path) -> None:
    records = [replace(run, tuned={"train.lr": 0.01}) for run in with_delta(-1.4)]
    tried = make("both", 7, (80.0, 31.0), lr=0.02, purpose="tune")
    record.write(tried, tmp_path / "tuning" / "both-7.json")
    said = told(records, tmp_path)
    assert "Thin tuning: 1 seed at each learning rate" in said
    assert "not tuned" not in said


def test_arms_that_are_measured_at_several_rates_need_no_tuning(tmp_path: Path) -> None:
    records = [
        make(variant, seed, (80.0, error + seed % 3 + worse), lr=lr)
        for variant, error in (("none", 32.0), ("both", 30.0))
        for lr, worse in ((0.005, 2.0), (0.01, 0.0), (0.02, 1.0))
        for seed in range(6)
    ]
    for each in records:
        name = f"{each.variant}-{each.seed}-{each.config['train']['lr']}.json"
        record.write(whole(each), tmp_path / "runs" / name)
    ablation = replace(LRN, tune_neighbours=1)
    said = "\n".join(threats(build.gather(ablation, "laptop", tmp_path, print, None)))
    assert "Other data" in said
    assert "One rate an arm" not in said
    assert "Rates were not tuned" not in said


def test_arms_at_one_rate_of_a_question_without_a_claim_are_said_to_be_untuned(
    tmp_path: Path,
) -> None:
    write_records(with_delta(-1.4), tmp_path)
    said = threats(build.gather(replace(LRN, claims={}), "laptop", tmp_path, print, None))
    assert [line for line in said if line.startswith("Rates were not tuned")]


def test_arms_that_differ_in_their_test_alone_want_the_same_rate(tmp_path: Path) -> None:
    nets = {"none": 1, "both": 5}  # averaged
    records = [
        replace(run, config=run.config | {"evaluate": {"nets": nets[run.variant]}})
        for run in with_delta(-1.4)
    ]
    assert "Rates were not tuned" in told(records, tmp_path / "other nets")
    net = records[0].config["model"]
    same = [replace(run, config=run.config | {"model": net}) for run in records]
    assert "Rates were not tuned" not in told(same, tmp_path / "the same nets")


def test_seeds_that_lack_a_rate_of_their_arm_are_named(tmp_path: Path) -> None:
    ablation = replace(LRN, tune_neighbours=1)
    records = [*with_delta(-1.4), make("both", 0, (80.0, 31.0), lr=0.02)]
    write_records(records, tmp_path)
    said = threats(build.gather(ablation, "laptop", tmp_path, print, None))
    expected = "Seeds left out: both has no run at train.lr 0.02 of seed 1, 2, 3, 4, 5, and a seed"
    assert [line for line in said if line.startswith(expected)]
    assert "Seeds left out" not in told(with_delta(-1.4), tmp_path / "whole")


def test_where_one_arm_alone_has_one_rate_it_is_named(tmp_path: Path) -> None:
    ablation = replace(LRN, tune_neighbours=1)
    write_records(with_delta(-1.4), tmp_path)
    for seed in range(6):
        other = make("both", seed, (80.0, 31.0), lr=0.02)
        record.write(whole(other), tmp_path / "runs" / f"both-{seed}-other.json")
    said = threats(build.gather(ablation, "laptop", tmp_path, print, None))
    assert [line for line in said if line.startswith("One rate of none: the intervals")]


def test_an_arm_whose_best_measured_rate_is_at_the_edge_is_named_with_it(tmp_path: Path) -> None:
    ablation = replace(LRN, tune_neighbours=1)
    records = [
        whole(make(name, seed, (80.0, 30.0 + seed + worse), lr=lr))
        for seed in range(2)
        for name, lr, worse in [
            ("none", 0.01, 1.0),
            ("none", 0.02, 0.0),
            ("none", 0.04, 1.0),
            ("both", 0.01, 2.0),
            ("both", 0.02, 1.0),
            ("both", 0.04, 0.0),
        ]
    ]
    for each in records:
        record.write(each, tmp_path / "runs" / f"{each.run_id[:10]}.json")
    said = threats(build.gather(ablation, "laptop", tmp_path, print, None))
    expected = "Best rate at the edge of those measured: both at train.lr 0.04; a rate beyond it"
    assert [line for line in said if line.startswith(expected)]


def test_what_does_not_threaten_is_not_said(tmp_path: Path) -> None:
    said = told(with_delta(-1.4), tmp_path)
    for word in ("Unequal", "Uncommitted", "Several", "chance", "Fewer"):
        assert word not in said
