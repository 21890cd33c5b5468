"""Shapes and arms as calls: everything made beforehand, nothing in the call but the layer."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from alexbench.bench.arms import FORMATS, Arm
from alexbench.bench.shapes import Conv, Norm, Pool, Shape
from alexbench.bench.timing import Call, measure
from alexbench.kernels import local_response_norm

PAPER_NORM = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}  # in torch's meaning of alpha
LEAST_SECONDS, MOST_SECONDS = 5e-3, 20e-3  # of a forward pass on a CPU
MOST_IMAGES = 256
CUDA_BATCH = 128


def make_call(shape: Shape, arm: Arm, batch: int, device: torch.device) -> Call:
    """The forward pass as in training, or the backward pass alone of one that is kept."""
    channels = shape.in_channels if isinstance(shape, Conv) else shape.channels
    x = random((batch, channels, shape.side, shape.side), arm, device)
    inputs = [x]
    if isinstance(shape, Conv):
        size = shape.kernel_size
        weight = random((shape.out_channels, channels // shape.groups, size, size), arm, device)
        inputs = [weight] if shape.first else [x, weight]
        layer = conv_layer(shape, x, weight)
    elif isinstance(shape, Norm):
        layer = norm_layer(shape, x, arm.implementation)
    else:
        layer = pool_layer(shape, x)
    for tensor in inputs:
        tensor.requires_grad_()
    if arm.direction == "forward":
        return layer
    y = layer()
    gradient = random(tuple(y.shape), arm, device)
    return lambda: torch.autograd.grad(y, inputs, gradient, retain_graph=True)


def random(shape: tuple[int, ...], arm: Arm, device: torch.device) -> Tensor:
    """Normal draws in the arm's data type and memory format."""
    tensor = torch.randn(shape, device=device).to(arm.dtype)
    return tensor.contiguous(memory_format=FORMATS[arm.memory_format])


def conv_layer(shape: Conv, x: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    """The convolution of x, without a bias."""
    stride, padding, groups = shape.stride, shape.padding, shape.groups
    return lambda: F.conv2d(x, weight, None, stride, padding, groups=groups)


def norm_layer(shape: Norm, x: Tensor, implementation: str) -> Callable[[], Tensor]:
    """The local response normalization of x by one implementation."""
    settings = {**PAPER_NORM, "implementation": implementation, "groups": shape.groups}
    return lambda: local_response_norm(x, **settings)  # type: ignore[arg-type]


def pool_layer(shape: Pool, x: Tensor) -> Callable[[], Tensor]:
    """The pooling of x."""
    if shape.kind == "max":
        return lambda: F.max_pool2d(x, 3, 2, ceil_mode=True)
    return lambda: F.avg_pool2d(x, 3, 2, ceil_mode=True)


def fit(shape: Shape, device: torch.device) -> tuple[Shape, int]:
    """The shape and the batch that are timed: on CUDA the shape itself and the paper's 128 images.

    On a CPU so many images, a power of two, that the forward pass takes 5 to 10 ms; and where one
    image takes more than 20, smaller images.
    """
    if device.type == "cuda":
        return shape, CUDA_BATCH
    arm = Arm("forward", implementation="auto" if isinstance(shape, Norm) else "torch")

    def forward_seconds(shape: Shape, batch: int) -> float:
        call = make_call(shape, arm, batch, device)
        return min(measure(call, device, rounds=3, warmup_rounds=1))

    while forward_seconds(shape, 1) > MOST_SECONDS:
        shape = replace(shape, side=shape.side // 2)
    batch = 1
    while batch < MOST_IMAGES and forward_seconds(shape, batch) < LEAST_SECONDS:
        batch *= 2
    return shape, batch
