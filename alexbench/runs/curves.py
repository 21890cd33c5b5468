"""What a run's curves say: test error at equal training error, and epochs to converge.

Curves are lists with a value an epoch, in percent, ``curve[0]`` after epoch 1.
"""

import math
import statistics
from collections.abc import Iterable, Sequence

NEAR_EPOCHS = 6  # how many epochs the line through the level uses
CONVERGED_BAND = 0.05  # of the way from guessing to the best smoothed error


def test_error_at_train_error(
    train_errors: Sequence[float | None], test_errors: Sequence[float | None], level: float
) -> float:
    """The test error, in percent, at the moment when the training error is ``level``.

    A least squares line of test error on training error, through the six epochs whose training
    error is nearest to the level (the earlier of two equally near), read at the level. One epoch's
    errors swing by more than the arms differ, so interpolation between two epochs doubles the
    interval. The order of the epochs does not matter, nor that the training error rises between.
    NaN if the level is not passed: no epoch is at or below it, or none at or above.
    """
    both = [
        (float(train) - level, float(test))
        for train, test in zip(train_errors, test_errors, strict=True)
        if train is not None and test is not None and math.isfinite(train) and math.isfinite(test)
    ]
    distances = [distance for distance, _ in both]
    if not both or min(distances) > 0 or max(distances) < 0:
        return math.nan
    near = sorted(both, key=lambda pair: abs(pair[0]))[:NEAR_EPOCHS]
    if len({distance for distance, _ in near}) == 1:
        return math.fsum(test for _, test in near) / len(near)
    return statistics.linear_regression(*zip(*near, strict=True)).intercept


def epochs_to_converge(test_errors: Sequence[float], guessing: float) -> tuple[float, bool]:
    """The epoch at which the test error comes within 5% of its best, and whether it is censored.

    The curve is smoothed by a running mean of 3 epochs (of 2 at its ends, never the best).
    Converged: within 5% of the way from ``guessing`` to the best smoothed error, interpolated
    between epochs; what the error does after its best does not matter. Censored: the run was still
    falling, as it came so near only in the last tenth of its epochs, or the line through its last
    third falls by more than the band. A longer run would have a lower best and come near it no
    earlier, so the epoch is a lower bound. A run that learned nothing is censored at its end.
    """
    errors = list(map(float, test_errors))
    end = len(errors)
    smooth = [
        math.fsum(near) / len(near) for near in (errors[max(0, i - 1) : i + 2] for i in range(end))
    ]
    best = min(smooth[1:-1] or smooth, default=math.inf)
    if not best < guessing:
        return float(max(end, 1)), True
    band = CONVERGED_BAND * (guessing - best)
    epoch = crossing(smooth, best + band, guessing)
    last_third = errors[-max(2, end // 3) :]
    return epoch, epoch > end - math.ceil(0.1 * end) or _fall(last_third) > band


def crossing(curve: Iterable[float], level: float, before: float) -> float:
    """The first epoch, interpolated, at which the curve is at or below the level; else infinity.

    Its first value was measured after epoch 1, a NaN was not; ``before``, above the level, is the
    value before training.
    """
    earlier = before
    for index, value in enumerate(curve):
        if value <= level:
            return index + (earlier - level) / (earlier - value)
        if not math.isnan(value):
            earlier = value
    return math.inf


def _fall(errors: Sequence[float]) -> float:
    """By how much the least squares line through ``errors`` falls from first to last."""
    steps = len(errors) - 1
    return -steps * statistics.linear_regression(range(steps + 1), errors).slope if steps else 0.0
