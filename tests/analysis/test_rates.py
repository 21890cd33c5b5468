"""Each arm at its own best rate: answers by hand, numpy's oracle, the paired t test."""

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.regression.linear_model import OLS

from alexbench.analysis import rates, stats

INF = math.inf


def arm(*columns: list[float], centre: float = 0.01) -> dict[float, list[float]]:
    """An arm at rates sqrt(2) apart around the centre; a list of values by seed for each."""
    middle = len(columns) // 2
    return {centre * 2 ** ((i - middle) / 2): values for i, values in enumerate(columns)}


def test_the_minimum_of_a_parabola_by_hand() -> None:
    # 3, 2, 2 at steps -1, 0, 1: a = 1/2, b = -1/2: vertex 1/2, value 2 - 1/8
    best = rates.best(arm([3.0], [2.0], [2.0]))
    assert best.value == pytest.approx(1.875)
    assert best.rate == pytest.approx(0.01 * 2**0.25)


def test_the_means_over_the_seeds_are_what_the_parabola_goes_through() -> None:
    assert rates.best(arm([2.0, 4.0], [1.0, 3.0], [3.0, 1.0])).value == pytest.approx(1.875)


@pytest.mark.parametrize(
    ("means", "value", "step"),
    [
        ((3.0, 2.0, 1.5), 1.5, 1),  # convex, but the vertex lies at step 1.5
        ((1.0, 2.0, 1.5), 1.0, -1),  # opens downwards
        ((2.0, 2.0, 2.0), 2.0, -1),  # flat: no vertex
    ],
)
def test_without_a_vertex_between_the_rates_it_is_the_smallest_mean(
    means: tuple[float, ...], value: float, step: int
) -> None:
    best = rates.best(arm(*([mean] for mean in means)))
    assert best == (value, pytest.approx(0.01 * 2 ** (step / 2)))


def test_where_runs_diverged_no_parabola_goes_through_a_cliff() -> None:
    best = rates.best(arm([20.0, 20.0], [19.0, 19.5], [18.0, INF]))
    assert best == (19.25, pytest.approx(0.01))
    assert rates.best(arm([19.0], [20.0], [INF])).value == 19


def test_a_rate_at_which_a_run_diverged_is_out_for_every_seed() -> None:
    # Without the cliff each arm is its middle rate: the paired t interval of those.
    middle = [19.0, 19.5, 18.8]
    result = rates.compare(
        arm([20.0] * 3, middle, [18.0, INF, 18.0]), arm([19.0] * 3, [18.0] * 3, [19.0] * 3)
    )
    assert result.interval == pytest.approx(stats.t_interval([18 - value for value in middle]))


def test_five_rates_are_fitted_by_least_squares() -> None:
    means = [4.0, 1.0, 0.5, 1.0, 3.0]
    steps = np.arange(-2, 3)
    level, slope, curve = OLS(means, np.vander(steps, 3, increasing=True)).fit().params
    best = rates.best(arm(*([mean] for mean in means)))
    assert best.value == pytest.approx(level - slope**2 / (4 * curve))


def test_the_order_of_the_rates_does_not_matter() -> None:
    forward = arm([3.0], [2.0], [2.0])
    assert rates.best(dict(reversed(forward.items()))) == rates.best(forward)


def test_another_metric_is_read_at_the_rate_that_the_first_chose() -> None:
    # The test error's vertex is at step 1/2; the gap is the line 5 + step.
    errors, gap = arm([3.0], [2.0], [2.0]), arm([4.0], [5.0], [6.0])
    assert rates.best(gap, errors).value == pytest.approx(5.5)
    assert rates.best(gap, arm([3.0], [2.0], [INF])).value == pytest.approx(5.0)


def test_one_rate_an_arm_is_the_paired_t_interval() -> None:
    baseline, variant = [20.0, 21.0, 19.5, 22.0], [19.0, 20.5, 18.0, 21.8]
    differences = [v - b for b, v in zip(baseline, variant, strict=True)]
    result = rates.compare({0.01: baseline}, {0.02: variant})
    assert result.interval == pytest.approx(stats.t_interval(differences))
    assert result.p_value == pytest.approx(scipy.stats.ttest_rel(variant, baseline).pvalue)
    assert result.pseudo_values == pytest.approx(differences)


def test_the_jackknife_by_hand() -> None:
    # Baseline: parabolas 3, 2, 2 and 3, 2, 3 by seed; together 3, 2, 2.5: a = 3/4, b = -1/4,
    # 2 - 1/48. Alone 1.875 and 2. Variant: 1 at every rate and seed. Pseudo-values
    # 2 (1 - 95/48) - (1 - 2) and 2 (1 - 95/48) - (1 - 1.875) for leaving out seed 0 and seed 1.
    baseline = arm([3.0, 3.0], [2.0, 2.0], [2.0, 3.0])
    result = rates.compare(baseline, arm([1.0] * 2, [1.0] * 2, [1.0] * 2))
    estimate = 1 - 95 / 48
    assert result.interval.estimate == pytest.approx(estimate)
    assert result.pseudo_values == pytest.approx([2 * estimate + 1 - 0, 2 * estimate + 0.875])
    spread = 0.125 / math.sqrt(2)
    assert result.standard_error == pytest.approx(spread / math.sqrt(2))
    half = result.interval.high - estimate
    assert half == pytest.approx(12.7062 * result.standard_error, rel=1e-5)


def test_the_jackknife_is_statsmodels_loop_over_leave_one_out_fits() -> None:
    rng = np.random.default_rng(5)
    raw = rng.normal(0, 0.3, (2, 3, 6)) + np.array([1.0, 0.0, 1.2])[:, None]
    arms = [arm(*values.tolist()) for values in raw]

    def difference(kept: list[int]) -> float:
        values = []
        for each in raw:
            design = np.vander([-1.0, 0.0, 1.0], 3, increasing=True)
            level, slope, curve = OLS(each[:, kept].mean(1), design).fit().params
            values.append(level - slope**2 / (4 * curve))
        return values[1] - values[0]

    left_out = [difference([s for s in range(6) if s != seed]) for seed in range(6)]
    variance = 5 / 6 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)
    result = rates.compare(*arms)
    assert result.interval.estimate == pytest.approx(difference(list(range(6))))
    assert result.standard_error == pytest.approx(math.sqrt(variance))


def test_a_floor_widens_equal_differences_and_leaves_wider_ones() -> None:
    one, two = {0.01: [20.0, 21.0, 22.0]}, {0.01: [19.0, 20.0, 21.0]}
    assert rates.compare(one, two).p_value == 0
    floored = rates.compare(one, two, floor=0.3)
    assert floored.standard_error == pytest.approx(0.3 / math.sqrt(3))
    assert floored.p_value > 0
    wide = {0.01: [19.0, 20.5, 19.0]}
    assert rates.compare(one, wide, floor=0.3) == rates.compare(one, wide)


def test_one_seed_has_no_interval_and_uneven_seeds_are_refused() -> None:
    result = rates.compare(arm([3.0], [2.0], [2.0]), arm([3.0], [1.0], [3.0]))
    assert result.interval.estimate == pytest.approx(-0.875)
    assert all(map(math.isnan, [*result.interval[1:], result.p_value, result.standard_error]))
    with pytest.raises(ValueError, match="same seeds"):
        rates.compare({0.01: [1.0, 2.0]}, {0.01: [1.0]})


def test_rates_unevenly_apart_are_fitted_by_least_squares_too() -> None:
    logs, means = np.log([0.01, 0.02, 0.03, 0.08]), [3.0, 1.0, 1.2, 4.0]
    level, slope, curve = OLS(means, np.vander(logs, 3, increasing=True)).fit().params
    best = rates.best({math.exp(log): [mean] for log, mean in zip(logs, means, strict=True)})
    assert best.value == pytest.approx(level - slope**2 / (4 * curve))
    assert math.log(best.rate) == pytest.approx(-slope / (2 * curve))
