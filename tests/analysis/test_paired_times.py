"""The log-rank test for pairs: by hand, against statsmodels, and its size by simulation."""

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.duration.survfunc import survdiff

from alexbench.analysis.paired_times import log_rank_scores, paired_log_rank_p

NONE = [False] * 6


def test_scores_by_hand() -> None:
    # H after 1, 2, 3, 4: 1/4, 1/4 + 1/3, 13/12, 25/12
    assert log_rank_scores([1, 2, 3, 4], [False] * 4) == pytest.approx(
        [3 / 4, 5 / 12, -1 / 12, -13 / 12]
    )


def test_scores_with_a_tie_and_censored_times_by_hand() -> None:
    # At 2 two of 4 arrive, H = 1/2; the one censored at 2 is still at risk then; none later.
    assert log_rank_scores([2, 2, 2, 5], [False, False, True, True]) == pytest.approx(
        [1 / 2, 1 / 2, -1 / 2, -1 / 2]
    )


def test_scores_of_an_arm_are_observed_minus_expected_of_the_log_rank_test() -> None:
    rng = np.random.default_rng(1)
    times = np.round(rng.exponential(5, 16), 1)
    late = times > 7
    times = np.minimum(times, 7)
    scores = log_rank_scores(times.tolist(), late.tolist())
    assert sum(scores) == pytest.approx(0)
    group = np.repeat([0, 1], 8)
    observed_less_expected = 0.0
    variance = 0.0
    for t in np.unique(times[~late]):
        risk, first = times >= t, (times >= t) & (group == 1)
        events = int(((times == t) & ~late).sum())
        share = first.sum() / risk.sum()
        observed_less_expected += ((times == t) & ~late & (group == 1)).sum() - events * share
        if risk.sum() > 1:
            spare = (risk.sum() - events) / (risk.sum() - 1)
            variance += events * share * (1 - share) * spare
    assert sum(scores[8:]) == pytest.approx(observed_less_expected)
    chi2 = survdiff(times, (~late).astype(int), group)[0]  # the hand-made sums are statsmodels'
    assert observed_less_expected**2 / variance == pytest.approx(chi2)


def test_two_pairs_by_hand() -> None:
    # Scores 3/4 and 5/12 against -1/12 and -13/12: both differences of one sign, 2 of 4 flips.
    assert paired_log_rank_p([3, 4], [False] * 2, [1, 2], [False] * 2) == 0.5
    # Differences by pair: 3/4 - 5/12 and -13/12 + 1/12: sums 2/3 and, flipped, 4/3: p = 1.
    assert paired_log_rank_p([2, 3], [False] * 2, [1, 4], [False] * 2) == 1


def test_six_pairs_of_which_no_baseline_arrives_give_2_of_64_flips() -> None:
    variant = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert paired_log_rank_p([40.0] * 6, [True] * 6, variant, NONE) == 2 / 64
    assert paired_log_rank_p(variant, NONE, [40.0] * 6, [True] * 6) == 2 / 64


def test_only_the_order_of_the_times_counts() -> None:
    rng = np.random.default_rng(2)
    baseline, variant = rng.exponential(5, (2, 6))
    p = paired_log_rank_p(baseline.tolist(), NONE, variant.tolist(), NONE)
    assert p == paired_log_rank_p((baseline**3).tolist(), NONE, (variant**3).tolist(), NONE)


def test_without_an_arrival_or_a_pair_there_is_no_p() -> None:
    assert math.isnan(paired_log_rank_p([5, 5], [True] * 2, [5, 5], [True] * 2))
    assert math.isnan(paired_log_rank_p([], [], [], []))


def censored_data(times: list[float], late: list[bool]) -> scipy.stats.CensoredData:
    """The times of an arm as scipy takes them."""
    known = [time for time, censored in zip(times, late, strict=True) if not censored]
    right = [time for time, censored in zip(times, late, strict=True) if censored]
    return scipy.stats.CensoredData(uncensored=known, right=right)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_at_most_5_percent_are_significant_without_an_effect(correlation: float) -> None:
    """At 8 pairs the flips allow 4.7%; the unpaired test gives far less where pairs go together."""
    rng = np.random.default_rng(3)
    covariance = [[1, correlation], [correlation, 1]]
    found = unpaired = 0
    for _ in range(600):
        times = np.exp(rng.multivariate_normal([1.0, 1.0], covariance, 8)).T
        late = times > 5
        arms = [(np.minimum(t, 5).tolist(), c.tolist()) for t, c in zip(times, late, strict=True)]
        found += paired_log_rank_p(*arms[0], *arms[1]) <= 0.05
        unpaired += scipy.stats.logrank(*(censored_data(*arm) for arm in arms)).pvalue <= 0.05
    assert scipy.stats.binomtest(found, 600, 0.047, alternative="greater").pvalue > 0.01
    if correlation:
        assert unpaired < found
