"""The word of a comparison: what was measured, judged against what was claimed.

Both stand on one scale on which 0 is no effect (log odds, log ratio, or points). The share is
measured / claimed: 0 is no effect, 1 is as claimed. Words, in the order in which they are tried:

negligible    the interval of the share lies between -1/2 and +1/2
reproduced    same sign, and the size is compatible with the claim
smaller       same sign, and the size is below the claim; ``larger``: above it
opposite      the other sign
excluded      no sign, and the size is not compatible with the claim
inconclusive  no sign, and the size is compatible; fewer than three pairs; no interval

The sign is held after Holm's adjustment, the size at the 95% interval of each row alone.
A claim without a size is reproduced, opposite or inconclusive. A bound ("beyond d") is compatible
with every size from d on, so nothing is larger.
"""

import math
from typing import Literal, NamedTuple

from scipy import special

from alexbench.analysis import stats
from alexbench.analysis.stats import Interval

FEWEST_PAIRS = 3  # two pairs have one degree of freedom: their interval follows from chance
HALF = 0.5  # of the claim: what lies within it on either side is negligible

Word = Literal[
    "negligible", "reproduced", "smaller", "larger", "opposite", "excluded", "inconclusive"
]
Sign = Literal["same", "opposite", "open"]
Size = Literal["compatible", "below", "above", "unknown"]

NO_INTERVAL = Interval(math.nan, math.nan, math.nan)


class Claimed(NamedTuple):
    """A claim on the scale of the comparison. ``standard_error`` NaN or 0: not known.

    ``bound``: said as "beyond", any size from there on. ``sign_only``: only the sign of ``size``
    counts.
    """

    size: float
    standard_error: float = 0.0
    bound: bool = False
    sign_only: bool = False


class Measured(NamedTuple):
    """An estimate with its 95% t interval over ``num_pairs`` seeds; censored: an end is infinite.

    ``adjusted_p``: after Holm over the printed table; NaN: the interval alone decides.
    ``exact``: counted, not sampled (parameters), so that one pair is enough.
    """

    interval: Interval
    num_pairs: int
    adjusted_p: float = math.nan
    exact: bool = False

    @property
    def standard_error(self) -> float:
        """The standard error behind the interval, read from an end that is finite."""
        estimate, low, high = self.interval
        half = high - estimate if math.isfinite(high) else estimate - low
        if self.exact or self.num_pairs < 2:
            return 0.0 if self.exact else math.nan
        return half / stats.t_quantile((1 + stats.LEVEL) / 2, self.num_pairs - 1)


class Judgement(NamedTuple):
    """A word, with the two answers behind it and the share measured / claimed."""

    word: Word
    sign: Sign
    size: Size
    share: Interval


def judge(measured: Measured, claimed: Claimed) -> Judgement:
    """The word for a measured effect against a claim, by the table above."""
    if measured.exact:
        estimate = measured.interval.estimate
        measured = measured._replace(interval=Interval(estimate, estimate, estimate))
    share = share_of(measured.interval, claimed)
    firm = measured.exact or measured.num_pairs >= FEWEST_PAIRS
    if not firm or claimed.size == 0 or any(map(math.isnan, measured.interval)):
        return Judgement("inconclusive", "open", "unknown", share)
    sign = sign_of(measured, claimed)
    size = size_of(measured, claimed)
    return Judgement(_word(sign, size, share), sign, size, share)


def _word(sign: Sign, size: Size, share: Interval) -> Word:
    if size == "unknown":
        by_sign: dict[Sign, Word] = {"same": "reproduced", "opposite": "opposite"}
        return by_sign.get(sign, "inconclusive")
    if -HALF < share.low and share.high < HALF:
        return "negligible"
    if sign == "opposite":
        return "opposite"
    if sign == "open":
        return "inconclusive" if size == "compatible" else "excluded"
    same: dict[Size, Word] = {"compatible": "reproduced", "below": "smaller", "above": "larger"}
    return same[size]


def sign_of(measured: Measured, claimed: Claimed) -> Sign:
    """Whether the effect has the claim's sign; open where 0 is in the interval, or after Holm."""
    _, low, high = measured.interval
    if low <= 0 <= high or measured.adjusted_p > stats.ALPHA:
        return "open"
    return "same" if (low > 0) == (claimed.size > 0) else "opposite"


def size_of(measured: Measured, claimed: Claimed) -> Size:
    """Whether the 95% interval of measured minus claimed holds 0, towards the claim's sign.

    The variance is the sum of both. Degrees of freedom by Welch and Satterthwaite, the claim's
    own being infinite (a binomial): (se^2 + claim^2)^2 / (se^4 / (n - 1)). So a claim known
    exactly is compared with the printed interval, and one far less sure than the measurement
    with the normal quantile. An infinite end stays infinite.
    """
    if claimed.sign_only:
        return "unknown"
    low, high = _beyond_claim(measured, claimed)
    if high < 0:
        return "below"
    return "above" if low > 0 and not claimed.bound else "compatible"


def _beyond_claim(measured: Measured, claimed: Claimed) -> tuple[float, float]:
    """The interval of measured minus claimed, positive where it goes further than the claim."""
    estimate, low, high = measured.interval
    own, claims = measured.standard_error, _known(claimed.standard_error)
    half = 0.0
    if own > 0 or claims > 0:
        ratio = own**2 / (own**2 + claims**2)
        freedom = (measured.num_pairs - 1) / ratio**2 if ratio > 0 else math.inf
        half = _t_quantile(freedom) * math.hypot(own, claims)
    ends = (
        estimate - claimed.size - half if math.isfinite(low) else -math.inf,
        estimate - claimed.size + half if math.isfinite(high) else math.inf,
    )
    return ends if claimed.size > 0 else (-ends[1], -ends[0])


def _t_quantile(freedom: float) -> float:
    share = (1 + stats.LEVEL) / 2
    return float(special.stdtrit(freedom, share) if freedom < 1e9 else special.ndtri(share))


def share_of(interval: Interval, claimed: Claimed) -> Interval:
    """Measured / claimed with the ends of the measured interval; NaN for a claim without a size.

    The claim's own uncertainty is not in it: that enters where sizes are compared. An interval
    of the ratio with both (Fieller) would be unbounded for every unsure claim.
    """
    if claimed.sign_only or claimed.size == 0:
        return NO_INTERVAL
    estimate, low, high = (value / claimed.size for value in interval)
    return Interval(estimate, min(low, high), max(low, high))


def seeds_to_settle(measured: Measured, claimed: Claimed) -> int | None:
    """The pairs with which a true effect of the claimed size would show its sign in 80%.

    So many would as well exclude a claim that is known exactly, if there were no effect. None
    where the claim has no size, or the spread is not known.
    """
    finite = all(map(math.isfinite, measured.interval))
    if claimed.sign_only or not finite or measured.num_pairs < 2:
        return None
    spread = measured.standard_error * math.sqrt(measured.num_pairs)
    seeds = stats.seeds_needed(claimed.size, spread)
    return None if seeds is None else max(seeds, FEWEST_PAIRS)


def _known(standard_error: float) -> float:
    return 0.0 if math.isnan(standard_error) else standard_error
