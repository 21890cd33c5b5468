"""Local response normalization as one operator for torch.compile and torch.export.

They cannot look into the implementations, and need not. Imported only when something compiles:
eager calls stay as fast as they are, and need no compiler.
"""

from typing import Any

import torch
from torch import Tensor

from alexbench.kernels import lrn, native
from alexbench.kernels.fused import Kernel
from alexbench.kernels.slices import gradient_of
from alexbench.kernels.window import Window, from_columns, to_columns


@torch.library.custom_op("alexbench::lrn", mutates_args=())
def lrn_operator(
    x: Tensor, size: int, alpha: float, beta: float, k: float, implementation: str, groups: int
) -> Tensor:
    """``local_response_norm`` without its gradient, which has an operator of its own."""
    y = lrn.local_response_norm(x, size, alpha, beta, k, implementation, groups)
    return like(y, x)


@torch.library.custom_op("alexbench::lrn_backward", mutates_args=())
def lrn_backward(
    x: Tensor,
    gradient: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    implementation: str,
    groups: int,
) -> Tensor:
    """The gradient of x. It is not differentiable: a second derivative raises."""
    x, gradient = (torch.empty_like(x).copy_(each) for each in (x, gradient))  # of one layout
    name = lrn.resolve(x.device) if implementation == "auto" else implementation
    columns, gradients = to_columns(x, groups), to_columns(gradient, groups)
    window, kernel = Window(size, alpha, beta, k), kernel_of(name)
    if kernel:
        found = kernel(columns, gradients, window)
    else:
        found = gradient_of(columns, gradients, window)
    return like(from_columns(found, x.shape), x)


def kernel_of(implementation: str) -> Kernel | None:
    """The kernel of both passes; None for what is made of torch's operators."""
    if implementation == "native":
        return native.run
    if implementation == "triton":
        from alexbench.kernels import triton_lrn

        return triton_lrn.run
    return None


def like(y: Tensor, x: Tensor) -> Tensor:
    """``y`` with the strides that the compiler was promised: those of ``empty_like(x)``."""
    promised = torch.empty_like(x)
    return y if y.stride() == promised.stride() else promised.copy_(y)


@lrn_operator.register_fake
def _(x: Tensor, *parameters: Any) -> Tensor:
    return torch.empty_like(x)


@lrn_backward.register_fake
def _(x: Tensor, gradient: Tensor, *parameters: Any) -> Tensor:
    return torch.empty_like(x)


def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Keeps x and the parameters for the backward pass."""
    x, *ctx.parameters = inputs
    ctx.save_for_backward(x)


def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient of x; the parameters have none."""
    (x,) = ctx.saved_tensors
    return lrn_backward(x, gradient, *ctx.parameters), *[None] * len(ctx.parameters)


lrn_operator.register_autograd(backward, setup_context=keep)
