"""One fused Triton kernel a pass: each tensor is read once and written once (CUDA).

A tile holds all channels of a few pixels, and the window sum gathers within it (warp shuffles): the
neighbours of a value, and in the backward pass the neighbours' terms, cost no memory traffic.
Machine code for sm_80 has 34 to 45 instructions a value forward and 67 to 92 backward at 64 to 256
channels: by arithmetic an A100 moves the bytes more slowly than it issues these, float32 on an H100
too, while bf16 backward there is bound by instructions. Beyond 512 channels it is right but
compiles slowly.
Never run on a GPU so far: the arithmetic is tested under Triton's interpreter, and the machine code
is compiled ahead of time and checked for spills (tests/kernels/test_triton_lrn.py).
"""
# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped"
# (Triton publishes no types, and its language has others)

import torch
import triton
import triton.language as tl
from torch import Tensor

from alexbench.kernels.fused import Fused
from alexbench.kernels.window import Window

TILE_VALUES = 2048
# more would spill, see the test: channels-last, and where a pixel's channels lie far apart
VALUES_PER_THREAD, VALUES_PER_THREAD_NCHW = 16, 8


@triton.jit
def _window_sum(values, channel, channels, BEFORE: tl.constexpr, AFTER: tl.constexpr):
    """Sum ``values`` (pixels, channels) over channels c - BEFORE .. c + AFTER, clipped."""
    total = values
    for shift in tl.static_range(-BEFORE, AFTER + 1):
        if shift != 0:
            neighbour = channel + shift
            inside = (neighbour >= 0) & (neighbour < channels)
            index = tl.broadcast_to(tl.where(inside, neighbour, 0)[None, :], values.shape)
            total += tl.where(inside[None, :], tl.gather(values, index, 1), 0.0)
    return total


@triton.jit
def _power(denominator, beta, THREE_QUARTERS: tl.constexpr):
    """``denominator ** -beta``; the paper's beta needs roots alone."""
    if THREE_QUARTERS:
        root = tl.rsqrt(denominator)
        return root * tl.sqrt(root)
    else:
        return tl.exp2(-beta * tl.log2(denominator))


@triton.jit
def lrn_kernel(
    x_pointer, gradient_pointer, out_pointer,
    channels, pixels, pixel_stride, channel_stride,
    scale: tl.constexpr, beta: tl.constexpr, k: tl.constexpr,
    BEFORE: tl.constexpr, AFTER: tl.constexpr, THREE_QUARTERS: tl.constexpr, 
    BACKWARD: tl.constexpr, TILE_PIXELS: tl.constexpr, TILE_CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write y, or with BACKWARD the gradient of x, for TILE_PIXELS pixels of one image.

    scale, beta and k are compiled in: a float argument would be float32 in a float64 kernel too.
    """
    tiles = tl.cdiv(pixels, TILE_PIXELS)
    program = tl.program_id(0).to(tl.int64)
    pixel = program % tiles * TILE_PIXELS + tl.arange(0, TILE_PIXELS)
    channel = tl.arange(0, TILE_CHANNELS)
    image = program // tiles * channels * pixels
    at = image + pixel[:, None] * pixel_stride + channel[None, :] * channel_stride
    inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    stored = tl.load(x_pointer + at, mask=inside, other=0.0)
    compute: tl.constexpr = tl.float64 if stored.dtype == tl.float64 else tl.float32
    x = stored.to(compute)
    denominator = k + scale * _window_sum(x * x, channel, channels, BEFORE, AFTER)
    power = _power(denominator, beta, THREE_QUARTERS)
    if BACKWARD:
        direct = tl.load(gradient_pointer + at, mask=inside, other=0.0).to(compute) * power
        terms = direct * x / denominator
        sums = _window_sum(terms, channel, channels, AFTER, BEFORE)
        out = direct - 2 * beta * scale * x * sums
    else:
        out = x * power
    tl.store(out_pointer + at, out.to(stored.dtype), mask=inside)


def run(x: Tensor, gradient: Tensor | None, window: Window) -> Tensor:
    """Either pass, on contiguous columns (see ``fused.Kernel``)."""
    out = torch.empty_like(x)
    if x.numel() == 0:
        return out
    images, channels, pixels = (1, *x.shape[::-1]) if x.dim() == 2 else x.shape
    strides = (channels, 1) if x.dim() == 2 else (1, pixels)
    tile_channels, tile_pixels = tile(channels)
    before, after = window.reach(channels)
    with torch.cuda.device_of(x):  # Triton launches on the current device, wherever x is
        lrn_kernel[grid(images, pixels, tile_pixels)](
            x, x if gradient is None else gradient, out, channels, pixels, *strides,
            scale=window.scale, beta=window.beta, k=window.k, BEFORE=before, AFTER=after,
            THREE_QUARTERS=window.beta == 0.75, BACKWARD=gradient is not None,
            TILE_PIXELS=tile_pixels, TILE_CHANNELS=tile_channels,
            num_warps=num_warps(tile_channels, tile_pixels, channels_last=x.dim() == 2),
        )  # fmt: skip
    return out


def grid(images: int, pixels: int, tile_pixels: int) -> tuple[int]:
    """A program a tile, all along the first axis: CUDA allows 65,535 along the others."""
    return (images * triton.cdiv(pixels, tile_pixels),)


def tile(channels: int) -> tuple[int, int]:
    """(channels, pixels) of a tile: powers of two, all channels, at least one pixel."""
    tile_channels: int = triton.next_power_of_2(channels)
    return tile_channels, max(1, TILE_VALUES // tile_channels)


def num_warps(tile_channels: int, tile_pixels: int, channels_last: bool) -> int:
    """Of 32 threads each, at most the hardware's 32."""
    values = VALUES_PER_THREAD if channels_last else VALUES_PER_THREAD_NCHW
    return min(32, tile_channels * tile_pixels // values // 32)


def triton_lrn(x: Tensor, window: Window) -> Tensor:
    """Normalize columns (rows, C) or (images, C, pixels) along dim 1."""
    y: Tensor = Fused.apply(x, run, window, False)
    return y
