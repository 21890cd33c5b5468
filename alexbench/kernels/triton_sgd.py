"""The paper's update of one weight in one Triton kernel: five passes over memory where torch's
operators make eleven (CUDA).

The rate is read from memory, so that a CUDA graph that holds the kernel follows the schedule.
Never run on a GPU so far: tested as ``triton_lrn`` is (tests/kernels/test_triton_sgd.py).
"""
# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped"
# (Triton publishes no types, and its language has others)

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 1024
NUM_WARPS = 4


@triton.jit
def sgd_kernel(
    weight_pointer, gradient_pointer, velocity_pointer, rate_pointer, count,
    momentum: tl.constexpr, weight_decay: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """v <- momentum v - rate g - rate weight_decay w; w <- w + v; nothing where the rate is 0."""
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    rate = tl.load(rate_pointer)
    if rate != 0.0:
        inside = at < count
        weight = tl.load(weight_pointer + at, mask=inside)
        gradient = tl.load(gradient_pointer + at, mask=inside)
        velocity = tl.load(velocity_pointer + at, mask=inside)
        velocity = momentum * velocity - rate * gradient
        if weight_decay != 0.0:
            velocity -= rate * weight_decay * weight
        tl.store(velocity_pointer + at, velocity, mask=inside)
        tl.store(weight_pointer + at, weight + velocity, mask=inside)


def update(
    weight: Tensor, velocity: Tensor, rate: Tensor, momentum: float, weight_decay: float
) -> None:
    """One step of a weight from its gradient, in place; rate: one number on the same device."""
    gradient = weight.grad
    assert gradient is not None
    if gradient.stride() != weight.stride():  # the kernel walks through memory, not through axes
        gradient = torch.empty_like(weight).copy_(gradient)
    with torch.cuda.device_of(weight):
        sgd_kernel[(triton.cdiv(weight.numel(), TILE),)](
            weight, gradient, velocity, rate, weight.numel(),
            momentum=momentum, weight_decay=weight_decay, TILE=TILE, num_warps=NUM_WARPS,
        )  # fmt: skip
