"""First and second moments of the training pixels, as exact integers."""

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK_PIXELS = 2**19  # converted to float64 at a time


@dataclass(frozen=True)
class Moments:
    """Sums over images; integers, so that neither order nor processor changes them."""

    images: Tensor  # () int64: how many
    pixel_sum: Tensor  # (S, S, 3) int64
    product_sum: Tensor  # (3, 3) int64: products of two channels, over pixels and images

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.images + other.images,
            self.pixel_sum + other.pixel_sum,
            self.product_sum + other.product_sum,
        )

    def mean_image(self) -> Tensor:
        """Mean over images: (S, S, 3) float64 in 0..255."""
        return self.pixel_sum.double() / self.images

    def colour_covariance(self) -> Tensor:
        """Covariance of RGB over all pixels, in units where 1 is full brightness: (3, 3)."""
        pixels = self.images * self.pixel_sum.shape[0] * self.pixel_sum.shape[1]
        mean = self.pixel_sum.sum((0, 1)).double() / pixels
        return (self.product_sum.double() / pixels - mean.outer(mean)) / 255**2


def no_moments(side: int) -> Moments:
    """Moments of no image."""
    pixel_sum = torch.zeros(side, side, 3, dtype=torch.int64)
    return Moments(torch.tensor(0), pixel_sum, torch.zeros(3, 3, dtype=torch.int64))


def moments(images: Tensor) -> Moments:
    """Moments of (N, S, S, 3) uint8 images.

    Products are summed in float64, which holds these integers exactly below 2**53.
    """
    side = images.shape[1]
    total = no_moments(side)
    for chunk in images.split(max(1, CHUNK_PIXELS // side**2)):
        pixels = chunk.reshape(-1, 3).double()
        products = (pixels.T @ pixels).long()
        total += Moments(torch.tensor(len(chunk)), chunk.sum(0), products)
    return total
