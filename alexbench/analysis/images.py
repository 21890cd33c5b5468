"""The interval of a difference of errors for new test images as well as new seeds."""

import math
from typing import NamedTuple

import numpy as np

from alexbench.analysis import stats
from alexbench.analysis.stats import Interval


class NewImages(NamedTuple):
    """The interval in points, and the two parts of the variance of the mean.

    ``seed_variance`` alone is that of the paired t interval (new seeds on these test images).
    """

    interval: Interval
    seed_variance: float
    image_variance: float


def new_images_interval(baseline: np.ndarray, variant: np.ndarray) -> NewImages:
    """Two-way random effects of seeds and images, from the arms' correctness.

    ``baseline`` and ``variant``: shape (num_seeds, num_images), true where the image was right,
    paired by seed and by image. The difference of the errors is mean + seed + image + rest, and the
    variance of its mean (MS seeds + MS images - MS rest) / (seeds x images): the method of
    moments (Henderson 1953; Owen, Ann. Appl. Stat. 2007), never less than the seeds' part.
    Student's t with num_seeds - 1 degrees of freedom, so that it is never narrower than the paired
    t interval; Satterthwaite's freedom (1946) would be larger, as the images are many.
    NaN bounds for fewer than 2 seeds or images.
    """
    difference = 100 * (baseline.astype(float) - variant.astype(float))  # errors: signs turn
    seeds, images = difference.shape
    estimate = float(difference.mean())
    if seeds < 2 or images < 2:
        return NewImages(Interval(estimate, math.nan, math.nan), math.nan, math.nan)
    by_seed, by_image = difference.mean(1) - estimate, difference.mean(0) - estimate
    total = float(((difference - estimate) ** 2).sum())
    squares = images * float(by_seed @ by_seed), seeds * float(by_image @ by_image)
    freedoms = seeds - 1, images - 1, (seeds - 1) * (images - 1)
    of_seeds, of_images = squares[0] / freedoms[0], squares[1] / freedoms[1]
    of_rest = max(total - sum(squares), 0.0) / freedoms[2]
    seed_variance = of_seeds / (seeds * images)
    image_variance = max(of_images - of_rest, 0.0) / (seeds * images)
    quantile = stats.t_quantile((1 + stats.LEVEL) / 2, seeds - 1)
    half = quantile * math.sqrt(seed_variance + image_variance)
    interval = Interval(estimate, estimate - half, estimate + half)
    return NewImages(interval, seed_variance, image_variance)
