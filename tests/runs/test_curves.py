"""Readings of a run's curves: by hand, and on the committed records."""

import math
from pathlib import Path

import pytest

from alexbench.analysis import stats
from alexbench.runs import curves, record

RESULTS = Path(__file__).parents[2] / "results"


# Test error at equal training error.


def test_the_test_error_at_a_training_error_by_hand() -> None:
    # Three epochs on the line test = 20 + train / 2
    read = curves.test_error_at_train_error
    assert read([60.0, 40.0, 20.0], [50.0, 40.0, 30.0], 50.0) == pytest.approx(45)
    # Off the line by 3 on one side: least squares through (-10, 41), (0, 38), (10, 47)
    assert read([40.0, 50.0, 60.0], [41.0, 38.0, 47.0], 50.0) == pytest.approx(42)


def test_only_the_six_epochs_nearest_to_the_level_count() -> None:
    train = [56.0, 54.0, 52.0, 48.0, 46.0, 44.0]
    test = [60.0, 58.0, 56.0, 52.0, 50.0, 48.0]
    read = curves.test_error_at_train_error
    assert read([80.0, *train, 20.0], [0.0, *test, 99.0], 50.0) == pytest.approx(54)


def test_the_order_of_the_epochs_does_not_matter() -> None:
    train, test = [60.0, 45.0, 52.0, 48.0], [50.0, 44.0, 45.0, 46.0]
    read = curves.test_error_at_train_error
    assert read(train, test, 50.0) == pytest.approx(read(train[::-1], test[::-1], 50.0))


@pytest.mark.parametrize("level", [19.9, 60.1])
def test_a_level_that_is_not_passed_gives_nan(level: float) -> None:
    read = curves.test_error_at_train_error([60.0, 40.0, 20.0], [50.0, 40.0, 30.0], level)
    assert math.isnan(read)


def test_epochs_without_a_clean_pass_are_left_out() -> None:
    read = curves.test_error_at_train_error
    assert read([None, 60.0, 40.0], [90.0, 50.0, 40.0], 50.0) == pytest.approx(45)
    assert math.isnan(read([None, None], [90.0, 50.0], 50.0))
    assert math.isnan(read([], [], 50.0))


def test_equal_training_errors_give_the_mean() -> None:
    assert curves.test_error_at_train_error([50.0, 50.0], [40.0, 44.0], 50.0) == 42


@pytest.mark.parametrize(
    ("ablation", "baseline", "variant", "level", "expected"),
    [
        ("dropout", "no_dropout", "dropout", 55, (-1.07, -1.46, -0.67)),
        ("dropout", "no_dropout", "dropout", 50, (-1.32, -1.51, -1.14)),
        ("dropout", "no_dropout", "dropout", 45, (-1.37, -1.77, -0.96)),
        ("pooling", "non_overlapping", "overlapping", 30, (-0.67, -1.45, 0.11)),
        ("weight_decay", "no_decay", "decay", 30, (0.04, -0.13, 0.22)),
    ],
)
def test_the_committed_records_say_what_the_review_says(
    ablation: str, baseline: str, variant: str, level: float, expected: tuple[float, ...]
) -> None:
    """The training error is the clean pass's. Runs at other rates than the tuned one came later."""
    arms: dict[str, dict[int, float]] = {baseline: {}, variant: {}}
    for path in (RESULTS / ablation / "cifar10-short" / "runs").glob("*.json"):
        run = record.read(path)
        rate = run.config["train"]["lr"]
        if run.variant in arms and run.tuned.get("train.lr", rate) == rate:
            train, test = (
                [row[key] for row in run.history] for key in ("train_error", "test_error")
            )
            error = curves.test_error_at_train_error(train, test, level)
            arms[run.variant][run.seed] = error
    seeds = sorted(arms[baseline].keys() & arms[variant].keys())
    interval = stats.t_interval([arms[variant][s] - arms[baseline][s] for s in seeds])
    assert interval == pytest.approx(expected, abs=0.0051)


# Epochs to converge.


def falling(epochs: int, rise: float = 0.0, best: int = 12) -> list[float]:
    """90, then halfway to 10 each epoch until epoch ``best``; from there a rise an epoch."""
    curve = [10 + 80 * 0.5 ** min(e, best) for e in range(1, epochs + 1)]
    return [error + rise * max(0, e - best) for e, error in enumerate(curve, 1)]


def test_epochs_to_converge_by_hand() -> None:
    # Smoothed: 45, 40, 30, 20, 20, 20, ... (50, 40, 30, 20, 20 ...: 45, 40, 30, 23.33, 20):
    # band 5% of 90 - 20 = 3.5; from 30 after epoch 3 to 23.33 after epoch 4: 23.5 at 3.975.
    errors = [50.0, 40.0, 30.0, *[20.0] * 9]
    assert curves.epochs_to_converge(errors, 90.0) == (pytest.approx(3.975), False)


@pytest.mark.parametrize("rise", [0.1, 0.3, 0.6])
def test_a_later_rise_does_not_matter(rise: float) -> None:
    flat, risen = (curves.epochs_to_converge(falling(40, r), 90.0) for r in (0.0, rise))
    assert not flat[1]
    assert risen[0] == pytest.approx(flat[0], abs=0.01)
    assert not risen[1]


def test_a_run_that_is_still_falling_is_censored_at_the_epoch_that_it_reached() -> None:
    # 88, 86, ... 30: best smoothed 32, band to 34.9, at 27.55 of 30: in the last tenth
    straight = [90.0 - 2 * e for e in range(1, 31)]
    assert curves.epochs_to_converge(straight, 90.0) == (pytest.approx(27.55), True)
    # 30 until epoch 20, then 29, 28, ... 20: best 21, band to 24.45, at 25.55; falls by 9
    slow = [30.0] * 20 + [29.0 - e for e in range(10)]
    assert curves.epochs_to_converge(slow, 90.0) == (pytest.approx(25.55), True)


def test_a_run_that_came_near_its_best_in_the_last_tenth_alone_is_censored() -> None:
    swings = [35.0, 50.0, 25.0, 60.0, 25.0, 60.0, 25.0, 36.0, 36.0, 44.0]  # their line falls by 1.7
    epoch, censored = curves.epochs_to_converge([60.0] * 20 + swings, 90.0)
    assert 27 < epoch < 28
    assert censored


def test_the_last_epoch_alone_is_never_the_best() -> None:
    # Best smoothed (20 + 20 + 16) / 3, and not (20 + 16) / 2: band to 22.2333, at 4.33.
    errors = [50.0, 40.0, 30.0, *[20.0] * 26, 16.0]
    assert curves.epochs_to_converge(errors, 90.0) == (pytest.approx(4.33), False)


def test_a_run_that_learned_nothing_is_censored() -> None:
    assert curves.epochs_to_converge([90.0] * 10, 90.0) == (10.0, True)
    assert curves.epochs_to_converge([], 90.0) == (1.0, True)


def test_one_lucky_epoch_is_no_convergence() -> None:
    errors = [50.0, 40.0, 20.0, 40.0, 30.0, *[21.0] * 12]
    epoch, censored = curves.epochs_to_converge(errors, 90.0)
    assert epoch > 5
    assert not censored
