"""The layers that torch does not have, or not as the paper has them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexbench.kernels import local_response_norm, rectifies_too


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): slope near 1 at 0, and f(1) = 1 (LeCun et al., Efficient BackProp)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x * (2 / 3)) * 1.7159


class LocalResponseNorm(nn.Module):
    """x / (k + alpha/size * sum of x^2 over size neighbouring kernels)^beta (section 3.3).

    Takes the place of ``torch.nn.LocalResponseNorm``: same parameters, defaults and values. The
    paper's formula is alpha = paper_alpha * size. A window never crosses from one of the
    ``columns`` into the next: each device normalized what it had.
    """

    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        columns: int = 1,
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.columns = size, alpha, beta, k, columns

    def forward(self, x: Tensor) -> Tensor:
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k, groups=self.columns)

    def extra_repr(self) -> str:
        names = ("size", "alpha", "beta", "k", "columns")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class ReLUBeforeNorm(nn.ReLU):
    """Leaves its work to the ``NormOfReLU`` after it, where one pass over memory does both."""

    def forward(self, x: Tensor) -> Tensor:
        return x if rectifies_too(x.device) else super().forward(x)


class NormOfReLU(LocalResponseNorm):
    """The normalization of the output of the ``ReLUBeforeNorm`` before it."""

    def forward(self, x: Tensor) -> Tensor:
        settings = self.size, self.alpha, self.beta, self.k
        rectify = rectifies_too(x.device)
        return local_response_norm(x, *settings, groups=self.columns, rectify=rectify)


class Gain(nn.Module):
    """x / k^beta: what local response normalization does to a signal whose data term vanishes."""

    def __init__(self, beta: float, k: float) -> None:
        super().__init__()
        self.factor: float = k**-beta

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"factor={self.factor:.4g}"


class WithinMapNorm(nn.Module):
    """x / (1 + scale * mean of x^2 over size x size pixels of the same map)^0.75.

    Pixels beyond the edge count as zeros. The released ``rnorm`` layers; not in the paper.
    """

    def __init__(self, size: int, scale: float) -> None:
        super().__init__()
        self.size, self.scale = size, scale

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x  # sums of squares
        energy = F.avg_pool2d(wide * wide, self.size, stride=1, padding=self.size // 2)
        return (wide * (1 + self.scale * energy).pow(-0.75)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"size={self.size}, scale={self.scale}"


class Dropout(nn.Module):
    """The paper's dropout, not torch's: training drops, testing multiplies by 1 - p (section 4.2).

    Kept units are not scaled up in training. Masks come from ``generator``, which
    ``set_dropout_stream`` puts here; a net without one cannot train.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (1 - self.p)
        assert self.generator is not None, "call models.set_dropout_stream before training"
        return x * self.mask(x)

    def mask(self, x: Tensor) -> Tensor:
        """Ones where units are kept; x: (images, units)."""
        return torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class LocallyConnected(nn.Module):
    """A convolution whose every position has kernels and biases of its own; stride 1, zero padded.

    Maps are (images, in_channels, side, side) to (images, out_channels, side, side). The weight is
    (side^2, out_channels, kernel_size^2 * in_channels), the last axis in the order row, column,
    channel, so that all positions are one batched matrix product.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int, kernel_size: int) -> None:
        super().__init__()
        self.side, self.kernel_size = side, kernel_size
        fan_in = kernel_size**2 * in_channels
        self.weight = nn.Parameter(torch.empty(side**2, out_channels, fan_in))
        self.bias = nn.Parameter(torch.empty(side**2, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        margin = self.kernel_size // 2
        # position first, so that each window is nine contiguous runs and the product needs no copy
        x = F.pad(x.permute(2, 3, 0, 1), (0, 0, 0, 0, margin, margin, margin, margin))
        offsets = range(self.kernel_size)
        shifts = [x[i : i + self.side, j : j + self.side] for i in offsets for j in offsets]
        windows = torch.cat(shifts, dim=3).flatten(0, 1)
        y = torch.baddbmm(self.bias.unsqueeze(1), windows, self.weight.transpose(1, 2))
        return y.view(self.side, self.side, *y.shape[1:]).permute(2, 3, 0, 1)

    def extra_repr(self) -> str:
        _, out_channels, fan_in = self.weight.shape
        in_channels = fan_in // self.kernel_size**2
        return f"{in_channels}, {out_channels}, side={self.side}, kernel_size={self.kernel_size}"


class ColumnLinear(nn.Module):
    """A fully connected layer in each column that sees that column alone.

    Features are (images, columns * in_features) with column a first; the weight is laid out as a
    grouped convolution's, (columns * out_features, in_features).
    """

    def __init__(self, in_features: int, out_features: int, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.weight = nn.Parameter(torch.empty(columns * out_features, in_features))
        self.bias = nn.Parameter(torch.empty(columns * out_features))

    def forward(self, x: Tensor) -> Tensor:
        parts = (part.chunk(self.columns) for part in (self.weight, self.bias))
        columns = zip(x.chunk(self.columns, dim=1), *parts, strict=True)
        return torch.cat([F.linear(*column) for column in columns], dim=1)

    def extra_repr(self) -> str:
        outputs, in_features = self.weight.shape
        return f"{in_features}, {outputs // self.columns}, columns={self.columns}"
