"""Statistics of paired runs: intervals and tests. Pure functions over small arrays.

Throughout, ``differences`` is a vector of shape (num_pairs,): variant minus baseline of one metric,
a value a seed, in the metric's unit (percentage points, or logs of ratios). Pairs of which one run
is missing or unmeasured are dropped beforehand and counted (analysis/pairs.py); a NaN that still
arrives gives NaN. Means are correctly rounded sums, so that they are the same on every machine.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from scipy.stats import CensoredData

LEVEL = 0.95
ALPHA = 0.05
EXACT_FLIPS = 16  # pairs: beyond 2^16 sign flips a sample of as many stands for all
FLIP_BLOCKS = 16  # as floats one after the other: of 400 pairs, all at once take 400 MB
MOST_SEEDS = 100_000


class Interval(NamedTuple):
    """An estimate and its confidence bounds, all in the unit of the data."""

    estimate: float
    low: float
    high: float


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return math.fsum(values) / len(values) if len(values) else math.nan


def sd(values: Sequence[float]) -> float:
    """Return the sample standard deviation (divided by n - 1); NaN for n < 2."""
    if len(values) < 2:
        return math.nan
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def t_interval(differences: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the mean and its two-sided Student t interval (Student, Biometrika 1908).

    n = 1 has no interval: NaN bounds. Equal differences give an interval of width zero.
    """
    estimate = mean(differences)
    n = len(differences)
    if n < 2:
        return Interval(estimate, math.nan, math.nan)
    half = t_quantile((1 + level) / 2, n - 1) * sd(differences) / math.sqrt(n)
    return Interval(estimate, estimate - half, estimate + half)


def t_quantile(share: float, freedom: float) -> float:
    """Return the value below which that share of Student's t lies."""
    return float(special.stdtrit(freedom, share))


def t_tail(t: float, freedom: float) -> float:
    """Return the share of Student's t that lies above ``t``."""
    return float(special.stdtr(freedom, -t))


def t_test(differences: Sequence[float], null: float = 0.0) -> float:
    """Return the two-sided p of the paired t test of mean = ``null``, the dual of t_interval.

    NaN for n < 2. Equal differences: 1 if they are ``null``, else 0.
    """
    if len(differences) < 2:
        return math.nan
    distance, spread = mean(differences) - null, sd(differences)
    if spread == 0:
        return 1.0 if distance == 0 else 0.0
    t = distance / (spread / math.sqrt(len(differences)))
    return 2 * t_tail(abs(t), len(differences) - 1)


def sign_flip_p(differences: Sequence[float], seed: int = 0) -> float:
    """Return the two-sided p of the sign-flip (paired permutation) test on the mean.

    Fisher, The Design of Experiments, 1935, section 21. Under the null each difference is as
    likely with either sign, so p is the share of the 2^n flips whose mean is at least as far from
    zero; ties count. Exact up to 16 pairs, then 2^16 flips drawn with ``seed``, the observed one
    among them. The least possible p is 2 / 2^n: 1 for n = 1, 0.0625 for n = 5. NaN for n = 0.
    """
    values = np.asarray(differences, float)
    n = len(values)
    if n == 0 or np.isnan(values).any():
        return math.nan
    blocks = np.array_split(_flips(n, seed), FLIP_BLOCKS)
    sums = np.abs(np.concatenate([(1 - 2.0 * flips) @ values for flips in blocks]))
    tolerance = 1e-9 * np.abs(values).sum()
    return float((sums >= abs(math.fsum(values)) - tolerance).mean())


def _flips(n: int, seed: int) -> np.ndarray:
    """Return rows of zeros and ones (1: flipped), the first of them without a flip."""
    if n <= EXACT_FLIPS:
        return np.arange(2**n)[:, None] >> np.arange(n) & 1
    drawn = np.random.default_rng(seed).bytes(2**EXACT_FLIPS * n // 8)
    flips = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(-1, n)
    flips[0] = 0
    return flips


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for their number (Holm, Scand. J. Statist. 1979).

    The i-th smallest of m is multiplied by m - i + 1, kept in order and at most 1. NaN stays NaN
    and is no member of the family.
    """
    adjusted = [math.nan] * len(p_values)
    members = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    running = 0.0
    for rank, (p, index) in enumerate(members):
        running = max(running, min(1.0, (len(members) - rank) * p))
        adjusted[index] = running
    return adjusted


def power(delta: float, spread: float, num_pairs: int, alpha: float = ALPHA) -> float:
    """Return the chance that the paired t test sees a true ``delta``, from the noncentral t.

    ``spread``: standard deviation of the differences. 0 for fewer than 2 pairs.
    """
    if num_pairs < 2:
        return 0.0
    if spread == 0:
        return 1.0 if delta else alpha
    shift = abs(delta) / spread * math.sqrt(num_pairs)
    critical = t_quantile(1 - alpha / 2, num_pairs - 1)
    if shift > critical + 10:  # certain; the noncentral t loses its digits out here
        return 1.0
    within = special.nctdtr(num_pairs - 1, shift, [-critical, critical])
    return float(1 - within[1] + within[0])


def seeds_needed(delta: float, spread: float, wanted: float = 0.8) -> int | None:
    """Return the fewest pairs with that power at a true ``delta``; None if unknown or hopeless.

    ``spread`` is itself estimated from few seeds: read the answer as an order of magnitude.
    """
    if math.isnan(spread) or math.isnan(delta) or delta == 0:
        return None
    high = 2
    while power(delta, spread, high) < wanted:
        high *= 2
        if high > MOST_SEEDS:
            return None
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(delta, spread, middle) >= wanted else (middle, high)
    return high


class Survival(NamedTuple):
    """A Kaplan-Meier curve: the share of runs still under way just after each time."""

    times: np.ndarray
    share: np.ndarray


def kaplan_meier(times: Sequence[float], censored: Sequence[bool]) -> Survival:
    """Return the curve of runs that have not reached the target (Kaplan, Meier, JASA 1958).

    Times at which at least one run got there, ascending. Tied with it, a censored run still
    counts as under way. Empty if none got there.
    """
    from scipy import stats  # slow to import, and censored runs are rare

    estimate = stats.ecdf(_censored_data(times, censored)).sf
    moves = np.isin(estimate.quantiles, [t for t, c in zip(times, censored, strict=True) if not c])
    return Survival(estimate.quantiles[moves], estimate.probabilities[moves])


def median_time(times: Sequence[float], censored: Sequence[bool]) -> float:
    """Return the first time by which half the runs got there; infinite if they did not."""
    curve = kaplan_meier(times, censored)
    there = curve.times[curve.share <= 0.5]
    return float(there[0]) if len(there) else math.inf


def _censored_data(times: Sequence[float], censored: Sequence[bool]) -> "CensoredData":
    from scipy import stats

    values, late = np.asarray(times, float), np.asarray(censored, bool)
    return stats.CensoredData(uncensored=values[~late], right=values[late])
