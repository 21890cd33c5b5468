"""The words against answers by hand, at the borders of each rule."""

import math

import pytest
import scipy.stats

from alexbench.analysis import scales, stats, verdict
from alexbench.analysis.stats import Interval
from alexbench.analysis.verdict import Claimed, Measured

NAN, INF = math.nan, math.inf


def measured(low: float, high: float, n: int = 6, p: float = NAN) -> Measured:
    return Measured(Interval((low + high) / 2, low, high), n, p)


BEYOND_1 = Claimed(-1.0, bound=True)
ABOUT_1 = Claimed(-1.0)


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((-3.0, -1.5), "reproduced"),
        ((-1.2, -0.2), "reproduced"),
        ((-0.9, -0.2), "smaller"),
        ((-0.40, 0.70), "excluded"),
        ((-1.1, 0.2), "inconclusive"),
        ((-0.4, 0.4), "negligible"),
        ((0.2, 0.9), "opposite"),
    ],
)
def test_a_bound_is_compatible_with_every_size_from_there_on(
    interval: tuple[float, float], word: str
) -> None:
    assert verdict.judge(measured(*interval), BEYOND_1).word == word


def test_the_share_of_a_bound_stands_beside_the_word() -> None:
    assert verdict.judge(measured(-1.2, -0.2), BEYOND_1).share == pytest.approx((0.7, 0.2, 1.2))


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((-1.5, -0.8), "reproduced"),
        ((-3.0, -1.5), "larger"),
        ((-0.9, -0.2), "smaller"),
        ((-0.45, -0.2), "negligible"),  # the same sign, and known to be less than half
        ((-0.5, -0.2), "smaller"),  # touches the half
        ((-0.2, 0.49), "negligible"),
        ((0.1, 0.49), "negligible"),
        ((0.1, 0.6), "opposite"),
        ((-0.3, 0.6), "excluded"),
        ((-0.99, 0.6), "excluded"),
        ((-1.01, 0.6), "inconclusive"),
        ((-1.0, -1.0), "reproduced"),
    ],
)
def test_each_word_for_a_claim_known_exactly(interval: tuple[float, float], word: str) -> None:
    assert verdict.judge(measured(*interval), ABOUT_1).word == word
    mirrored = measured(-interval[1], -interval[0])
    assert verdict.judge(mirrored, Claimed(1.0)).word == word


@pytest.mark.parametrize(
    ("arms", "images", "interval", "word"),
    [
        ((19.362, 18.210), 50_000, Interval(-0.110, -0.165, -0.056), "reproduced"),  # lrn
        ((18.3, 17.0), 150_000, Interval(-0.106, -0.172, -0.040), "reproduced"),  # ten_crop
        ((18.229, 16.999), 150_000, Interval(-0.307, -0.367, -0.247), "larger"),  # two_gpu
        ((19.330, 18.210), 50_000, Interval(-0.050, -0.160, 0.061), "inconclusive"),  # links
    ],
)
def test_top_5_errors_in_log_odds(
    arms: tuple[float, float], images: int, interval: Interval, word: str
) -> None:
    claimed = Claimed(*scales.claimed_log_odds(*arms, images))
    assert verdict.judge(Measured(interval, 6), claimed).word == word


def test_a_sign_that_does_not_survive_holm_is_open() -> None:
    assert verdict.judge(measured(-1.2, -0.2, p=0.05), ABOUT_1).word == "reproduced"
    assert verdict.judge(measured(-1.2, -0.2, p=0.051), ABOUT_1).word == "inconclusive"
    assert verdict.judge(measured(-0.9, -0.2, p=0.051), ABOUT_1).word == "excluded"
    assert verdict.judge(measured(0.2, 0.9, p=0.051), ABOUT_1).word == "excluded"
    assert verdict.judge(measured(-0.4, -0.2, p=0.9), ABOUT_1).word == "negligible"


def test_the_claims_own_standard_error_makes_sizes_compatible() -> None:
    exact = measured(-0.9, -0.6)
    assert verdict.judge(exact, Claimed(-1.0)).word == "smaller"
    assert verdict.judge(exact, Claimed(-1.0, 0.2)).word == "reproduced"
    assert verdict.judge(exact, Claimed(-1.0, NAN)).word == "smaller"


def test_both_uncertainties_are_joined_with_the_freedom_of_welch() -> None:
    # se 0.1 with 5 degrees of freedom and a claim's 0.1 with none: (0.01 + 0.01)^2 / (0.0001 / 5)
    # = 20 degrees of freedom: sizes differ from 2.08596 * 0.141421 = 0.29500 on.
    half = float(scipy.stats.t.ppf(0.975, 5)) * 0.1

    def size(distance: float) -> str:
        estimate = 1 - distance
        interval = Interval(estimate, estimate - half, estimate + half)
        return verdict.size_of(Measured(interval, 6), Claimed(1.0, 0.1))

    assert (size(0.2949), size(0.2951), size(-0.2951)) == ("compatible", "below", "above")


def test_a_claim_far_less_sure_than_the_measurement_is_a_z_test() -> None:
    tight = measured(0.999999, 1.000001)
    assert verdict.size_of(tight, Claimed(1.0 + 0.195, 0.1)) == "compatible"
    assert verdict.size_of(tight, Claimed(1.0 + 0.197, 0.1)) == "below"


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((-3.0, -0.01), "reproduced"),
        ((0.01, 0.02), "opposite"),
        ((-0.01, 0.01), "inconclusive"),  # never negligible or excluded: of what size?
    ],
)
def test_a_claim_without_a_size_has_a_sign_alone(interval: tuple[float, float], word: str) -> None:
    judged = verdict.judge(measured(*interval), Claimed(-1.0, sign_only=True))
    assert judged.word == word
    assert judged.size == "unknown"
    assert all(map(math.isnan, judged.share))


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        (Interval(-1.5, -INF, -1.2), "larger"),  # the baseline took longer than its budget
        (Interval(-1.5, -INF, -0.8), "reproduced"),
        (Interval(-0.5, -INF, 0.2), "inconclusive"),
        (Interval(0.0, -0.3, INF), "excluded"),  # the variant did
        (Interval(0.8, 0.3, INF), "opposite"),
        (Interval(-0.8, -1.2, INF), "inconclusive"),
        (Interval(-0.8, -INF, INF), "inconclusive"),
    ],
)
def test_intervals_of_censored_times_are_open_on_one_side(interval: Interval, word: str) -> None:
    assert verdict.judge(Measured(interval, 6), ABOUT_1).word == word


def test_an_open_end_is_compatible_with_every_size_beyond_it() -> None:
    assert (
        verdict.judge(Measured(Interval(-1.5, -INF, -0.8), 6), Claimed(-3.0)).word == "reproduced"
    )
    assert verdict.judge(Measured(Interval(0.0, -0.3, INF), 6), Claimed(1.0)).word == "inconclusive"


def test_the_share_of_a_censored_time_is_open_on_the_side_of_its_bound() -> None:
    share = verdict.judge(Measured(Interval(-1.5, -INF, -0.8), 6), ABOUT_1).share
    assert share == (1.5, 0.8, INF)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_pairs_never_give_a_firm_verdict(n: int) -> None:
    pairs = [-1.0] * n
    assert verdict.judge(Measured(stats.t_interval(pairs), n), ABOUT_1).word == "inconclusive"
    assert verdict.judge(measured(-1.1, -0.9, n), ABOUT_1).word == "inconclusive"
    assert verdict.judge(measured(-0.1, 0.1, n), ABOUT_1).word == "inconclusive"
    assert verdict.judge(measured(-1.1, -0.9, 3), ABOUT_1).word == "reproduced"


def test_a_count_needs_no_second_pair() -> None:
    counted = Measured(stats.t_interval([-1.0]), 1, exact=True)
    assert verdict.judge(counted, ABOUT_1).word == "reproduced"
    assert verdict.judge(counted, Claimed(-2.0)).word == "smaller"


def test_a_claim_of_nothing_and_a_missing_interval_are_inconclusive() -> None:
    assert verdict.judge(measured(-1.0, 1.0), Claimed(0.0)).word == "inconclusive"
    assert verdict.judge(Measured(Interval(NAN, NAN, NAN), 6), ABOUT_1).word == "inconclusive"


def test_the_seeds_that_would_settle_it_are_those_of_the_power_of_the_claimed_size() -> None:
    half = float(scipy.stats.t.ppf(0.975, 5)) * 1.0 / math.sqrt(6)  # of six pairs with sd 1
    open_ = measured(-0.5 - half, -0.5 + half)
    assert verdict.seeds_to_settle(open_, ABOUT_1) == stats.seeds_needed(1.0, 1.0) == 10
    assert verdict.seeds_to_settle(measured(-1.0, -1.0), ABOUT_1) == 3
    assert verdict.seeds_to_settle(open_, Claimed(-1.0, sign_only=True)) is None
    assert verdict.seeds_to_settle(Measured(Interval(0.0, -INF, 1.0), 6), ABOUT_1) is None
    assert verdict.seeds_to_settle(Measured(stats.t_interval([1.0]), 1), ABOUT_1) is None
