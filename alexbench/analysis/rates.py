"""Each arm at its own best learning rate, and the interval that knows that it was chosen.

An arm is a mapping rate -> values by seed, all rates with the same seeds in the same order, on the
scale of the comparison (points, log odds, log seconds). Infinite: a run diverged at that rate.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alexbench.analysis import stats
from alexbench.analysis.stats import Interval

FLAT = 1e-9  # of the values: a curve that is rounding

Arm = Mapping[float, Sequence[float]]


class Best(NamedTuple):
    """An arm's value at its best rate."""

    value: float
    rate: float


class RateComparison(NamedTuple):
    """Variant minus baseline, each at its own best rate. ``pseudo_values``: one a seed."""

    interval: Interval
    p_value: float
    standard_error: float
    pseudo_values: tuple[float, ...]
    baseline: Best
    variant: Best


def best(arm: Arm, chosen_by: Arm | None = None) -> Best:
    """The minimum of the least squares parabola in log rate through the arm's seed means.

    Three rates: the parabola goes through them. Where it opens downwards, or its vertex lies
    outside the rates, or fewer than three rates have finite values: the smallest mean.
    ``chosen_by``: the metric whose minimum chooses the rate (as the test error for a gap); the
    value is then read from the arm's own parabola at that rate.
    """
    rates = sorted(arm)
    means = _means(arm, rates)
    if chosen_by is None:
        log_rate, value = _minimum(rates, means)
        return Best(value, math.exp(log_rate))
    log_rate, _ = _minimum(rates, _means(chosen_by, rates))
    return Best(_value_at(rates, means, log_rate), math.exp(log_rate))


def compare(
    baseline: Arm,
    variant: Arm,
    chosen_by: tuple[Arm, Arm] | None = None,
    floor: float = 0.0,
) -> RateComparison:
    """Variant minus baseline at their best rates, with a jackknife interval over paired seeds.

    Each seed is left out in turn at all rates of both arms. The pseudo-values
    n * all - (n - 1) * without the seed (Tukey 1958) are treated as a sample: Student's t with
    n - 1 degrees of freedom around the estimate from all seeds. With one rate an arm this is the
    paired t interval. ``floor``: least spread of the pseudo-values (scales.spread_floor).
    n = 1 has no interval: NaN.
    """
    guides = chosen_by or (None, None)
    n = _num_seeds(baseline, variant)
    chosen = best(baseline, guides[0]), best(variant, guides[1])
    estimate = chosen[1].value - chosen[0].value
    if n < 2:
        nothing = Interval(estimate, math.nan, math.nan)
        return RateComparison(nothing, math.nan, math.nan, (estimate,) * n, *chosen)
    pseudo_values = []
    for seed in range(n):
        arms = [_without(arm, seed) for arm in (baseline, variant)]
        by = [guide and _without(guide, seed) for guide in guides]
        left = best(arms[1], by[1]).value - best(arms[0], by[0]).value
        pseudo_values.append(n * estimate - (n - 1) * left)
    standard_error = max(stats.sd(pseudo_values), floor) / math.sqrt(n)
    half = stats.t_quantile((1 + stats.LEVEL) / 2, n - 1) * standard_error
    interval = Interval(estimate, estimate - half, estimate + half)
    p = _p(estimate, standard_error, n - 1)
    return RateComparison(interval, p, standard_error, tuple(pseudo_values), *chosen)


def _p(estimate: float, standard_error: float, freedom: int) -> float:
    if standard_error == 0:
        return 1.0 if estimate == 0 else 0.0
    return 2 * stats.t_tail(abs(estimate) / standard_error, freedom)


def _num_seeds(*arms: Arm) -> int:
    counts = {len(values) for arm in arms for values in arm.values()}
    if len(counts) != 1:
        raise ValueError(f"every rate of both arms needs the same seeds, not {sorted(counts)}")
    return counts.pop()


def _without(arm: Arm, seed: int) -> Arm:
    """The arm without a seed. A rate at which a run diverged stays infinite for all."""
    return {
        rate: [*values[:seed], *values[seed + 1 :]]
        if all(map(math.isfinite, values))
        else [math.inf] * (len(values) - 1)
        for rate, values in arm.items()
    }


def _means(arm: Arm, rates: Sequence[float]) -> list[float]:
    return [
        stats.mean(arm[rate]) if all(map(math.isfinite, arm[rate])) else math.inf for rate in rates
    ]


def _minimum(rates: Sequence[float], means: Sequence[float]) -> tuple[float, float]:
    """The log rate of the smallest value, and that value."""
    logs = [math.log(rate) for rate in rates]
    least = min(range(len(means)), key=means.__getitem__)
    if len(means) >= 3 and all(map(math.isfinite, means)):
        level, slope, curve = _parabola(logs, means)
        width = logs[-1] - logs[0]
        if curve * width**2 > FLAT * max(map(abs, means)):
            vertex = -slope / (2 * curve)
            if abs(vertex) <= width / 2:
                return vertex + (logs[0] + logs[-1]) / 2, level - slope**2 / (4 * curve)
    return logs[least], means[least]


def _value_at(rates: Sequence[float], means: Sequence[float], log_rate: float) -> float:
    """The parabola through ``means`` at ``log_rate``; with fewer than 3 finite, the nearest one."""
    logs = [math.log(rate) for rate in rates]
    if len(means) >= 3 and all(map(math.isfinite, means)):
        level, slope, curve = _parabola(logs, means)
        x = log_rate - (logs[0] + logs[-1]) / 2
        return level + slope * x + curve * x**2
    return means[min(range(len(logs)), key=lambda i: abs(logs[i] - log_rate))]


def _parabola(logs: Sequence[float], means: Sequence[float]) -> tuple[float, float, float]:
    """Level, slope and curve of the least squares parabola around the middle of ``logs``.

    By orthogonal polynomials and correctly rounded sums: equal bits on every machine.
    """
    centre, middle = stats.mean(logs), (logs[0] + logs[-1]) / 2
    x = [log - centre for log in logs]
    squares = math.fsum(each**2 for each in x)
    tilt = math.fsum(each**3 for each in x) / squares
    bow = [each**2 - tilt * each - squares / len(x) for each in x]  # orthogonal to 1 and x
    curve = math.fsum(map(math.prod, zip(bow, means, strict=True))) / math.fsum(b**2 for b in bow)
    linear = math.fsum(map(math.prod, zip(x, means, strict=True))) / squares - curve * tilt
    level = stats.mean(means) - curve * squares / len(x)
    off = middle - centre
    return level + linear * off + curve * off**2, linear + 2 * curve * off, curve
