"""Arms at several learning rates: which runs are planned, and how tuning narrows its grid."""

from dataclasses import replace
from pathlib import Path

import pytest

from alexbench.config.load import load_ablation
from alexbench.config.overrides import override
from alexbench.errors import BadInput
from alexbench.runs.run import measured_runs, tuning_runs, with_neighbours
from alexbench.runs.tuning import refined

FILE = """
title: T
question: Q?
baseline: none
metrics: [{metric}]
tune: {{train.lr: [0.01, 0.02]}}
tune_neighbours: 1
variants:
  none: {{model.lrn: none}}
  both: {{model.lrn: both}}
profiles:
  laptop:
    tuned: {{none: {{train.lr: 0.02}}, both: {{train.lr: 0.04}}}}
"""


def ablation(folder: Path, metric: str = "test_error", **changes: object):
    file = folder / "own.yaml"
    file.write_text(FILE.format(metric=metric))
    loaded = load_ablation(str(file), seeds=2)
    return replace(loaded, **changes)  # type: ignore[arg-type]


def no_identity(config: object) -> dict[str, object]:
    return {}


def test_every_seed_is_measured_at_the_rate_and_at_its_neighbours(tmp_path: Path) -> None:
    """0.01 / sqrt(2) is 0.00707, 0.01 x sqrt(2) is 0.0141, to three digits."""
    runs = measured_runs(ablation(tmp_path), no_identity)
    rates = {(run.variant, run.seed): [] for run in runs}
    for run in runs:
        rates[(run.variant, run.seed)].append(run.config.train.lr)
    assert rates["none", 0] == rates["none", 1] == [0.00707, 0.01, 0.0141]
    assert len({run.run_id for run in runs}) == len(runs) == 12


def test_the_tuned_rate_itself_is_measured_with_all_its_digits(tmp_path: Path) -> None:
    asked = ablation(tmp_path)
    exact = override(asked.variants["none"], {"train.lr": 0.012345}, "here")
    found = with_neighbours(exact, 1, above=1)
    assert [each.train.lr for each in found] == [0.00873, 0.012345, 0.0175, 0.0247]


def test_without_neighbours_a_seed_is_measured_once(tmp_path: Path) -> None:
    assert len(measured_runs(ablation(tmp_path, tune_neighbours=0), no_identity)) == 4


def test_the_grid_is_halved_around_its_best_until_rates_are_sqrt_two_apart() -> None:
    """sqrt(0.01 x 0.02) is 0.0141, sqrt(0.02 x 0.04) is 0.0283; their neighbours are near then."""
    once = refined([0.01, 0.02, 0.04], 0.02)
    assert once == [0.01, 0.0141, 0.02, 0.0283, 0.04]
    assert refined(once, 0.02) == once
    assert refined(once, 0.04) == once


@pytest.mark.parametrize(
    ("metric", "neighbours", "held_back"),
    [("test_error", 1, True), ("train_error", 1, False), ("train_error", 0, True)],
)
def test_tuning_for_the_training_error_needs_no_images_held_back(
    tmp_path: Path, metric: str, neighbours: int, held_back: bool
) -> None:
    asked = ablation(tmp_path, metric, tune_neighbours=neighbours, tune_seeds=1)
    (run,) = tuning_runs(asked, "none", "train.lr", [0.01], no_identity)
    assert run.hold_back == held_back


def test_neighbours_ask_for_two_tuning_seeds_at_least(tmp_path: Path) -> None:
    assert ablation(tmp_path).tune_seeds == 2
    file = tmp_path / "one.yaml"
    file.write_text(FILE.format(metric="test_error") + "tune_seeds: 1\n")
    with pytest.raises(BadInput, match="tune_seeds is 1: with tune_neighbours it must be 2"):
        load_ablation(str(file))
