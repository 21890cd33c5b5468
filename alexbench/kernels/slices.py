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
    total = window_sums(x * x, *window.reach(x.shape[1]))
    return x * inverse_power(window.k + window.scale * total, window.beta)


def window_sums(values: Tensor, before: int, after: int) -> Tensor:
    """Sums over windows of ``before + 1 + after`` channels, clipped at both ends."""
    channels = values.shape[1]
    padded = pad(values, (before, after) if values.dim() == 2 else (0, 0, before, after))
    total = padded.narrow(1, 0, channels)
    for shift in range(1, before + after + 1):
        total = total + padded.narrow(1, shift, channels)
    return total


def gradient_of(x: Tensor, gradient: Tensor, window: Window) -> Tensor:
    """The gradient of columns ``x`` in operators that can be differentiated again.

    Half precision is computed in float32, as in the kernels.
    """
    given, wide = x.dtype, torch.promote_types(x.dtype, torch.float32)
    x, gradient = x.to(wide), gradient.to(wide)
    before, after = window.reach(x.shape[1])
    denominator = window.k + window.scale * window_sums(x * x, before, after)
    direct = gradient * inverse_power(denominator, window.beta)
    # the transposed window: the channels whose own window has this one
    sums = window_sums(direct * x / denominator, after, before)
    return (direct - 2 * window.beta * window.scale * x * sums).to(given)


@cache
def _compile() -> Callable[[Tensor, Window], Tensor]:
    return torch.compile(slices, dynamic=False)  # else the second shape has a slower kernel


def compiled(x: Tensor, window: Window) -> Tensor:
    """``slices`` through torch.compile; the first call of a shape takes seconds."""
    return _compile()(x, window)
