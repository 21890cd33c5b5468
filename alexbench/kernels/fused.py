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
    """Keeps nothing but x: a fused backward computes the denominators faster than it reads them.

    rectify: whether the kernel normalizes max(x, 0).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Kernel, window: Window, rectify: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.kernel, ctx.window, ctx.rectify = kernel, window, rectify
        return kernel(x, None, window)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        if not torch.is_grad_enabled():
            found = ctx.kernel(x, gradient.contiguous(), ctx.window)
        elif ctx.rectify:  # create_graph: it will be differentiated again
            found = gradient_of(x.relu(), gradient, ctx.window).where(x > 0, 0)
        else:
            found = gradient_of(x, gradient, ctx.window)
        return found, None, None, None
