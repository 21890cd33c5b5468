"""The highest speeds of the machine, measured: a matrix product and a copy."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from alexbench.bench.timing import measure

GEMM_SIDE = {"cpu": 1024, "cuda": 4096}
COPY_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}  # far beyond the caches


@dataclass(frozen=True)
class Peaks:
    """The two ceilings of a roofline."""

    gemm_gflop_per_second: float
    copy_gigabyte_per_second: float


def measure_peaks(
    device: torch.device, dtype: torch.dtype = torch.float32, rounds: int = 15
) -> Peaks:
    """The best of so many square matrix products and of as many copies (bytes read + written).

    The product is taken as one and as a 1x1 convolution: on a CPU these are two libraries, of which
    the second was seen to be half as fast again as the first.
    """
    side = GEMM_SIDE[device.type]
    a = torch.randn(side, side, device=device).to(dtype)
    product = torch.empty_like(a)
    image, kernels = a.view(1, 32, side // 32, side).movedim(-1, 1), a.view(side, side, 1, 1)
    gemm = min(
        *measure(lambda: torch.mm(a, a, out=product), device, rounds),
        *measure(lambda: F.conv2d(image, kernels), device, rounds),
    )
    source = torch.zeros(COPY_BYTES[device.type], dtype=torch.int8, device=device)
    target = torch.zeros_like(source)
    copy = min(measure(lambda: target.copy_(source), device, rounds))
    return Peaks(2 * side**3 / gemm / 1e9, 2 * source.numel() / copy / 1e9)
