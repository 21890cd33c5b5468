"""Whether the two columns split colour from form (section 6.1, Figure 3), as a number. No torch."""

from collections.abc import Sequence

import numpy as np

SHUFFLES = 1000


def saturations(kernels: np.ndarray) -> list[float]:
    """How colourful each of (kernels, 3, height, width) is, in percent.

    The share of a kernel's norm that remains when each pixel's grey, the mean of its channels, is
    taken away: 0 for a grey kernel, 100 for one that a grey image cannot excite. Independent normal
    weights have 82, the root of 2/3.
    """
    colour = kernels - kernels.mean(axis=1, keepdims=True)
    norms = [np.sqrt(np.square(part).sum(axis=(1, 2, 3))) for part in (colour, kernels)]
    shares: list[float] = (100 * norms[0] / np.maximum(norms[1], 1e-12)).tolist()
    return shares


def gap(by_kernel: Sequence[float]) -> float:
    """Between the mean saturations of the two columns; kernels of the first stand first."""
    columns = np.split(np.asarray(by_kernel), 2)
    return float(abs(columns[0].mean() - columns[1].mean()))


def shuffled_gap(by_kernel: Sequence[float]) -> float:
    """The mean gap if the same kernels had fallen to the columns by chance."""
    generator = np.random.default_rng(0)
    shuffled = generator.permuted(np.tile(by_kernel, (SHUFFLES, 1)), axis=1)
    halves = shuffled.reshape(SHUFFLES, 2, -1).mean(axis=2)
    return float(np.abs(halves[:, 0] - halves[:, 1]).mean())
