"""The plain form: ``size`` shifted copies of the squares added up, differentiated by autograd."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from alexbench.kernels.window import Window


def inverse_power(denominator: Tensor, beta: float) -> Tensor:
    """``denominator ** -beta``; two roots for the paper's 0.75, far cheaper than a power."""
    if beta == 0.75:
        root = denominator.rsqrt()
        return root * root.sqrt()
    return denominator.pow(-beta)


def slices(x: Tensor, window: Window) -> Tensor:
    """Normalize columns (rows, C) or (images, C, pixels) along dim 1."""
    channels = x.shape[1]
    before, after = window.reach(channels)
    squares = pad(x * x, (before, after) if x.dim() == 2 else (0, 0, before, after))
    total = squares.narrow(1, 0, channels)
    for shift in range(1, before + after + 1):
        total = total + squares.narrow(1, shift, channels)
    return x * inverse_power(window.k + window.scale * total, window.beta)


@cache
def _compile() -> Callable[[Tensor, Window], Tensor]:
    return torch.compile(slices)


def compiled(x: Tensor, window: Window) -> Tensor:
    """``slices`` through torch.compile; the first call of a shape takes seconds."""
    return _compile()(x, window)
