"""Choosing a value of a grid: by the first metric, and with the grid's optimum inside."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from alexbench.config.ablation import with_tuned
from alexbench.config.load import load_ablation
from alexbench.runs import record
from alexbench.runs.run import Run, measured_runs
from alexbench.runs.store import RunStore
from alexbench.runs.tuning import extend, extended, round_to_digits, tune, widened
from tests.records import identity, of_run

GRID = {"train.lr": [0.025, 0.05, 0.1]}


def trainer(store: RunStore, error_at: dict[str, float]) -> tuple[list[float], object]:
    """An execute that writes records whose error grows with the distance to the best rate."""
    tried: list[float] = []

    def execute(runs: Sequence[Run]) -> None:
        for run in runs:
            tried.append(run.config.train.lr)
            distance = abs(math.log(run.config.train.lr / error_at[run.variant]))
            errors = [min(90, 10 + 10 * distance)] * run.config.train.epochs
            record.write(of_run(run, errors), store.record_path(run))

    return tried, execute


@pytest.mark.parametrize(("best", "expected"), [(0.05, 0.05), (0.2, 0.2), (0.013, 0.013)])
def test_each_variant_gets_the_best_value_of_a_grid_that_brackets_it(tmp_path, best, expected):
    ablation = replace(load_ablation("pooling"), tune=GRID)
    _, execute = trainer(RunStore(tmp_path), {"overlapping": best, "non_overlapping": 0.05})
    chosen = tune(ablation, identity, RunStore(tmp_path), execute, print)
    assert chosen["non_overlapping"] == {"train.lr": 0.05}
    assert chosen["overlapping"]["train.lr"] == pytest.approx(expected, rel=0.05)


def test_a_best_value_that_no_extension_could_bracket_is_said_aloud(tmp_path, capsys):
    _, execute = trainer(RunStore(tmp_path), {"overlapping": 100.0, "non_overlapping": 0.05})
    chosen = tune(
        replace(load_ablation("pooling"), tune=GRID),
        identity,
        RunStore(tmp_path),
        execute,
        print,
    )
    assert chosen["overlapping"] == {"train.lr": 0.8}
    assert capsys.readouterr().out == (
        "overlapping: train.lr 0.8 is at the edge of what was tried: widen tune\n"
    )


def test_a_variant_that_was_tuned_earlier_is_not_tuned_again(tmp_path):
    earlier = {"overlapping": {"train.lr": 0.3}, "non_overlapping": {"train.lr": 0.4}}
    tried, execute = trainer(RunStore(tmp_path), {})
    ablation = replace(load_ablation("pooling"), tuned=earlier)
    assert tune(ablation, identity, RunStore(tmp_path), execute, print) == earlier
    assert tried == []


def test_a_grid_grows_at_its_best_end_by_its_own_ratio():
    assert extend([0.1, 0.2, 0.4], 0.4) == [0.1, 0.2, 0.4, 0.8]
    assert extend([0.1, 0.3], 0.1) == [0.033, 0.1, 0.3]


@pytest.mark.parametrize(
    ("key", "grid", "best", "grown"),
    [
        ("train.lr", [0.1, 0.2], 0.2, [0.1, 0.2, 0.4]),
        ("train.weight_decay", [0, 5e-4, 1e-3], 1e-3, [0, 5e-4, 1e-3, 2e-3]),
        ("train.weight_decay", [0, 5e-4, 1e-3], 0, [0, 5e-4, 1e-3]),
        ("train.momentum", [0.5, 0.9, 0.95], 0.95, [0.5, 0.9, 0.95]),  # 1.0 is not allowed
        ("train.momentum", [0], 0, [0]),
        ("model.dropout", [0.5], 0.5, [0.17, 0.5]),
    ],
)
def test_a_grid_grows_by_values_alone_that_its_key_may_have(key, grid, best, grown):
    arm = load_ablation("pooling").variants["overlapping"]
    assert extended(arm, key, grid, best) == pytest.approx(grown, rel=0.02)


def test_a_grid_that_cannot_grow_ends_tuning_with_its_best(tmp_path, capsys):
    store = RunStore(tmp_path)

    def execute(runs: Sequence[Run]) -> None:
        """The higher the momentum, the better; the more decay, the worse."""
        for run in runs:
            train = run.config.train
            error = 50 - 10 * train.momentum + 1000 * train.weight_decay
            record.write(of_run(run, [error] * train.epochs), store.record_path(run))

    def chosen(grid: dict[str, list[float]]) -> dict[str, float]:
        asked = replace(load_ablation("pooling"), tune=grid)
        return tune(asked, identity, store, execute, print)["overlapping"]

    assert chosen({"train.weight_decay": [0, 1e-3]}) == {"train.weight_decay": 0}
    assert capsys.readouterr().out == ""  # nothing lies below
    assert chosen({"train.momentum": [0.5, 0.9, 0.95]}) == {"train.momentum": 0.95}
    assert "overlapping: train.momentum 0.95 is at the edge" in capsys.readouterr().out


def test_a_rate_has_two_digits():
    assert round_to_digits(0.012345) == 0.012


def test_an_arm_whose_best_measured_rate_is_at_the_edge_gets_one_beyond_it_at_most_twice(tmp_path):
    """Rates around 0.05: 0.0354 and 0.0707; below 0.025, above 0.1 and 0.141."""
    store = RunStore(tmp_path / "results" / "pooling" / "laptop")
    best = {"overlapping": 0.03, "non_overlapping": 100.0}
    tuned = {name: {"train.lr": 0.05} for name in best}
    ablation = replace(with_tuned(load_ablation("pooling", seeds=2), tuned), tune_neighbours=1)
    _, execute = trainer(store, best)
    assert widened(ablation, identity, store) == ablation  # nothing is measured
    beyond = []
    while not beyond or ablation.beyond != beyond[-1]:
        beyond.append(dict(ablation.beyond))
        execute(store.missing(measured_runs(ablation, identity)))
        ablation = widened(ablation, identity, store)
    assert beyond == [
        {},
        {"non_overlapping": (0, 1), "overlapping": (1, 0)},
        {"non_overlapping": (0, 2), "overlapping": (1, 0)},
    ]
    rates = {name: set() for name in best}
    for run in measured_runs(ablation, identity):
        rates[run.variant].add(run.config.train.lr)
    assert rates["overlapping"] == {0.025, 0.0354, 0.05, 0.0707}
    assert rates["non_overlapping"] == {0.0354, 0.05, 0.0707, 0.1, 0.141}
