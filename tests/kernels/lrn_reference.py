"""Local response normalization as its formula reads: loops over channels, in float64."""

import numpy as np


def reference(x, g, size, alpha, beta, k, groups=1):
    """(N, C, ...) arrays -> y, the gradient of x where g is that of y, and this gradient's scale.

    The scale is the sum of the magnitudes of the two terms that the gradient is the difference of:
    what an error can fairly be measured against where they cancel.
    """
    x, g = np.asarray(x, np.float64), np.asarray(g, np.float64)
    channels = x.shape[1]
    per_group = channels // groups if channels else 0

    def window(c):
        first = c // per_group * per_group
        start = c - size // 2
        return range(max(first, start), min(first + per_group, start + size))

    d = np.empty_like(x)
    for c in range(channels):
        d[:, c] = k + alpha / size * sum(x[:, j] ** 2 for j in window(c))
    y = x * d**-beta
    dx, scale = g * d**-beta, np.abs(g * d**-beta)
    for c in range(channels):
        for j in window(c):  # y[c] depends on x[j] through d[c]
            term = 2 * beta * alpha / size * g[:, c] * x[:, c] * x[:, j] * d[:, c] ** (-beta - 1)
            dx[:, j] -= term
            scale[:, j] += np.abs(term)
    return y, dx, scale
