"""Scales on which sizes are compared: log odds of errors, and what test images alone leave open.

Errors are in percent of ``num_images`` test images.
"""

import math


def log_odds(error: float, num_images: int) -> float:
    """Log odds of an error in percent: log((k + 1/2) / (n - k + 1/2)), k of n images wrong.

    The halves keep 0 and 100 percent finite (Anscombe, Biometrika 1956). At 2% of 10,000 images
    they move the log odds by 0.0025. NaN of NaN.
    """
    wrong = error / 100 * num_images
    return math.log((wrong + 0.5) / (num_images - wrong + 0.5))


def log_odds_se(error: float, num_images: int) -> float:
    """Binomial standard error of ``log_odds`` (Gart, Zweifel, Biometrika 1967)."""
    wrong = error / 100 * num_images
    return math.sqrt(1 / (wrong + 0.5) + 1 / (num_images - wrong + 0.5))


def claimed_log_odds(baseline: float, variant: float, num_images: int) -> tuple[float, float]:
    """The claimed delta in log odds and its standard error, from two errors in percent.

    The two are counted as independent binomials. Both nets saw the same images, so the true
    standard error is smaller; what another seed would give is not in it.
    """
    delta = log_odds(variant, num_images) - log_odds(baseline, num_images)
    return delta, math.hypot(log_odds_se(baseline, num_images), log_odds_se(variant, num_images))


def points_to_log_odds(points: float, error: float) -> float:
    """A small difference in percentage points near ``error`` percent, as one in log odds."""
    return points * 100 / (error * (100 - error))


def spread_floor(baseline_only: float, variant_only: float, num_images: int) -> float:
    """Least standard deviation, in points, of one pair's difference of two errors.

    ``baseline_only`` and ``variant_only``: images that this arm alone got right, the mean over
    the pairs. If images were right or wrong independently, the difference of two new nets would
    have this (McNemar's) variance; nets vary more, as images go wrong together. One image is
    added, so that arms that never disagree still have a spread.
    """
    disagree = baseline_only + variant_only + 1
    variance = disagree - (baseline_only - variant_only) ** 2 / num_images
    return 100 / num_images * math.sqrt(max(variance, 1.0))
