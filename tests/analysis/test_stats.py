"""Statistics against answers by hand, against statsmodels, and against simulation."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from alexbench.analysis import stats

NAN, INF = math.nan, math.inf


def draw(seed: int, *shape: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, shape)


# Intervals and the tests that are their duals.


def test_the_interval_of_1_2_3_by_hand() -> None:
    # mean 2, sd 1, t(0.975; 2) = 4.30265: half width 4.30265 / sqrt(3)
    estimate, low, high = stats.t_interval([1.0, 2.0, 3.0])
    assert estimate == 2
    assert (low, high) == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-5)


def test_one_difference_has_no_interval_and_none_no_mean() -> None:
    assert stats.t_interval([1.5])[0] == 1.5
    assert all(map(math.isnan, stats.t_interval([1.5])[1:]))
    assert all(map(math.isnan, stats.t_interval([])))
    assert math.isnan(stats.t_test([1.5]))


def test_equal_differences_have_an_interval_of_no_width() -> None:
    assert stats.t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert stats.t_test([0.5, 0.5]) == 0
    assert stats.t_test([0.0, 0.0]) == 1


def test_nan_gives_nan() -> None:
    assert all(map(math.isnan, stats.t_interval([1.0, NAN, 2.0])))
    assert math.isnan(stats.t_test([1.0, NAN, 2.0]))
    assert math.isnan(stats.sign_flip_p([1.0, NAN, 2.0]))
    assert math.isnan(stats.sign_flip_p([]))


def test_the_t_test_is_scipys() -> None:
    differences = draw(1, 7, mean=0.5).tolist()
    assert stats.t_test(differences) == pytest.approx(
        scipy.stats.ttest_1samp(differences, 0).pvalue
    )


@pytest.mark.parametrize("n", [3, 6, 12])
def test_95_percent_intervals_cover_93_to_97_percent(n: int) -> None:
    simulated = draw(n, 4000, n, mean=-1.4, sd=0.8)
    intervals = [stats.t_interval(row) for row in simulated.tolist()]
    coverage = np.mean([low <= -1.4 <= high for _, low, high in intervals])
    assert 0.93 <= coverage <= 0.97


def test_means_do_not_depend_on_the_order_of_the_seeds() -> None:
    values = draw(3, 12).tolist()
    assert len({stats.mean(order) for order in (values, values[::-1], sorted(values))}) == 1


# Sign flips.


def test_all_six_differences_of_one_sign_give_2_of_64_flips() -> None:
    assert stats.sign_flip_p([1, 2, 3, 4, 5, 6]) == 2 / 64


def test_five_pairs_cannot_reach_five_percent_and_one_pair_says_nothing() -> None:
    assert stats.sign_flip_p([1.0] * 5) == 0.0625
    assert stats.sign_flip_p([1.0]) == 1


def test_flips_by_hand_with_a_tie() -> None:
    # sums over the signs of (1, 1, -3): |-1| is met or passed by every one of the 8 flips
    assert stats.sign_flip_p([1, 1, -3]) == 1
    # of (1, 2): sums 3, 1, -1, -3: two are as far out as 3
    assert stats.sign_flip_p([1, 2]) == 0.5


def test_sign_flips_are_scipys_permutation_test() -> None:
    differences = draw(4, 9, mean=0.4)
    scipys = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=INF
    )
    assert stats.sign_flip_p(differences.tolist()) == pytest.approx(scipys.pvalue)


def test_beyond_16_pairs_a_sample_of_flips_is_near_the_t_test_and_repeatable() -> None:
    differences = draw(5, 30, mean=0.35).tolist()
    p = stats.sign_flip_p(differences)
    assert p == stats.sign_flip_p(differences)
    assert p != stats.sign_flip_p(differences, seed=1)
    assert p == pytest.approx(stats.t_test(differences), abs=0.01)


def test_a_sample_of_flips_never_says_that_chance_is_impossible() -> None:
    assert stats.sign_flip_p([1.0] * 40) == 1 / 2**16


def test_the_flips_of_hundreds_of_pairs_are_never_all_in_memory_as_floats() -> None:
    tracemalloc.start()
    stats.sign_flip_p([1.0] * 400)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**16 * 400 * 8 / 2


def test_zero_differences_are_no_evidence() -> None:
    assert stats.sign_flip_p([0.0] * 6) == 1


# Holm.


def test_holm_is_that_of_statsmodels_and_leaves_nan_out() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005, 0.04, 0.8]
    expected = multipletests(p_values, method="holm")[1].tolist()
    assert stats.holm(p_values) == pytest.approx(expected)
    with_gaps = stats.holm([NAN, *p_values, NAN])
    assert with_gaps[1:-1] == pytest.approx(expected)
    assert math.isnan(with_gaps[0])


def test_holm_of_one_and_of_nothing() -> None:
    assert stats.holm([0.03]) == [0.03]
    assert stats.holm([]) == []


# McNemar.


# Equivalence.


# Power.


@pytest.mark.parametrize(("delta", "n"), [(0.5, 6), (1.0, 6), (1.4, 12), (-1.4, 4), (0.7, 40)])
def test_power_is_that_of_statsmodels(delta: float, n: int) -> None:
    expected = TTestPower().power(delta / 0.9, n, 0.05)
    assert stats.power(delta, 0.9, n) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("delta", "sd"), [(1.4, 0.8), (0.4, 0.5), (1.7, 3.0)])
def test_the_seeds_asked_for_give_80_percent_power_within_5_points(delta: float, sd: float) -> None:
    n = stats.seeds_needed(delta, sd)
    assert n is not None
    simulated = draw(n, 4000, n, mean=delta, sd=sd)
    t = np.abs(simulated.mean(1)) / (simulated.std(1, ddof=1) / math.sqrt(n))
    seen = np.mean(t > scipy.stats.t.ppf(0.975, n - 1))
    assert stats.power(delta, sd, n) == pytest.approx(seen, abs=0.05)
    assert seen > 0.75
    assert stats.power(delta, sd, n - 1) < 0.8


def test_power_at_the_edges() -> None:
    assert stats.power(1.0, 1.0, 1) == 0
    assert stats.power(1.0, 0.0, 2) == 1
    assert stats.power(0.0, 1.0, 8) == pytest.approx(0.05)
    assert stats.power(100.0, 1.0, 30) == 1
    assert stats.seeds_needed(1.0, NAN) is None
    assert stats.seeds_needed(0.0, 1.0) is None
    assert stats.seeds_needed(1e-6, 1.0) is None
    assert stats.seeds_needed(5.0, 0.0) == 2


# Verdicts.


# Times that some runs never reach.


def test_kaplan_meier_by_hand_with_a_tie_and_a_censored_run() -> None:
    # 5 runs; one gets there at 2, two at 3, one leaves at 3 and one at 5 without getting there:
    # 4/5 are under way after 2; of the 4 at risk at 3 two remain, 4/5 * 2/4.
    curve = stats.kaplan_meier([2, 3, 3, 3, 5], [False, False, False, True, True])
    assert curve.times.tolist() == [2, 3]
    assert curve.share.tolist() == pytest.approx([0.8, 0.4])
    assert stats.median_time([2, 3, 3, 3, 5], [False, False, False, True, True]) == 3


def test_if_no_run_gets_there_the_curve_is_empty_and_the_median_infinite() -> None:
    assert len(stats.kaplan_meier([5, 5], [True, True]).times) == 0
    assert stats.median_time([5, 5], [True, True]) == INF
