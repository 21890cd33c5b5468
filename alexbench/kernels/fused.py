"""The autograd shell of the implementations that have a hand-written backward pass."""

from typing import Any, Protocol

import torch
from torch import Tensor

from alexbench.kernels.slices import gradient_of
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
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph: it will be differentiated again
            return gradient_of(x, gradient, ctx.window), None, None
        return ctx.kernel(x, gradient.contiguous(), ctx.window), None, None
