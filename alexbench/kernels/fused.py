"""The autograd shell of the implementations that have a hand-written backward pass."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexbench.kernels.window import Window


class Kernel(Protocol):
    """One function for both passes, on contiguous columns; allocates only its result."""

    def __call__(self, x: Tensor, gradient: Tensor | None, window: Window) -> Tensor:
        """Return y when there is no gradient of y, and otherwise the gradient of x."""


class Fused(torch.autograd.Function):
    """Keeps nothing but x: a fused backward computes the denominators faster than it reads them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Kernel, window: Window) -> Tensor:
        ctx.save_for_backward(x)
        ctx.kernel, ctx.window = kernel, window
        return kernel(x, None, window)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return ctx.kernel(x, gradient.contiguous(), ctx.window), None, None
