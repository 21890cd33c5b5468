"""Is the head slower than the base, or is it the machine? Pure statistics of per-round ratios."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FLOORS = {"cpu": 1.10, "cuda": 1.05}  # a slowdown that is smaller never fails
NOISES = 3  # nor one below so many times the noise
RESAMPLES = 2000
Word = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Rounds:
    """Seconds of each round of one case by one clock.

    Of base, of a second process of base, and of head.
    """

    base: Sequence[float]
    base_again: Sequence[float]
    head: Sequence[float]


@dataclass(frozen=True)
class Verdict:
    """Ratios are head over base: 1.1 is a tenth slower."""

    word: Word
    ratio: float
    low: float
    high: float
    noise: float  # what equal code showed, as a ratio of at least 1


def judge(batches: Sequence[Rounds], floor: float) -> Verdict:
    """Decide from one to three batches of rounds, each new one as long as all before it.

    *fail*: the 95% interval of the median ratio lies above the floor, the median beyond three times
    the noise, and the median of each of three batches above the floor. *inconclusive*: it might be,
    or the noise alone reaches the floor. *pass*: neither.
    """
    ratios = [np.log(np.divide(batch.head, batch.base)) for batch in batches]
    equal = [np.log(np.divide(batch.base_again, batch.base)) for batch in batches]
    ratio, (low, high) = median_and_interval(np.concatenate(ratios))
    noise = float(np.abs(median_and_interval(np.concatenate(equal))[1]).max())
    limit = float(np.log(floor))
    clear = low > limit and ratio > max(limit, NOISES * noise)
    repeated = len(batches) == 3 and all(float(np.median(batch)) > limit for batch in ratios)
    word: Word = "pass"
    if clear and repeated:
        word = "fail"
    elif ratio > limit or noise > limit:
        word = "inconclusive"
    return Verdict(word, *(float(np.exp(value)) for value in (ratio, low, high, noise)))


def median_and_interval(values: NDArray[np.float64]) -> tuple[float, tuple[float, float]]:
    """The median and its 95% bootstrap interval; the same for the same values."""
    generator = np.random.default_rng(0)
    chosen = generator.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[chosen], axis=1), [2.5, 97.5])
    return float(np.median(values)), (float(low), float(high))
