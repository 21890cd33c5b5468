"""The input of every implementation: four parameters, and a tensor windowed along dim 1."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """torch's parameters: x is divided by ``(k + alpha / size * sum of x**2) ** beta``.

    The sum runs over ``size`` channels from ``c - size // 2`` on, clipped at both ends.
    """

    size: int
    alpha: float
    beta: float
    k: float

    @property
    def scale(self) -> float:
        """The factor of the sum of squares: alpha / size."""
        return self.alpha / self.size

    def reach(self, channels: int) -> tuple[int, int]:
        """How many channels before and after its own a window meets, of so many in all."""
        before = self.size // 2
        return min(before, channels - 1), min(self.size - 1 - before, channels - 1)


def is_channels_last(x: Tensor) -> bool:
    """Whether the channels (dim 1) of one pixel lie side by side in memory."""
    return x.movedim(1, -1).is_contiguous()


def to_columns(x: Tensor, groups: int) -> Tensor:
    """View ``x`` so that dim 1 holds the channels of one group and nothing else.

    (N, C, ...) becomes (N * groups, C / groups, pixels) or, channels-last, (N * pixels * groups,
    C / groups). Contiguous: copies only what is dense in neither order.
    """
    channels, pixels = x.shape[1], math.prod(x.shape[2:])
    if is_channels_last(x) or (x.stride(1) == 1 and not x.is_contiguous()):
        rows = x.shape[0] * pixels * groups
        return x.movedim(1, -1).contiguous().view(rows, channels // groups)
    return x.contiguous().view(x.shape[0] * groups, channels // groups, pixels)


def from_columns(columns: Tensor, shape: torch.Size) -> Tensor:
    """Undo ``to_columns``: the tensor of that shape, in the same memory format."""
    if columns.dim() == 2:
        return columns.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)
    return columns.view(shape)
