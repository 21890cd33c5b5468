"""The window as a product with a banded matrix of ones: fast on a CPU without any compiler.

The product is taken diagonal by diagonal, each an addition over a whole buffer at an offset; as a
dense matrix product it takes three to six times as long at 64 to 128 channels.
"""

from typing import Any

import torch
from torch import Tensor

from alexbench.kernels.slices import gradient_of
from alexbench.kernels.window import Window

# Of columns at a time: the temporaries of one chunk stay in the cache.
CHUNK_BYTES = 1 << 20


class Band:
    """Sums over windows of ``before + 1 + after`` channels, for chunks of like columns.

    A chunk lies in a buffer whose dim 1 has that many zeros on either side. Its neighbours j
    channels on are then the same buffer at an offset, and rows need no care: what an addition
    makes of the end of one and the start of the next is in the margin, and is not read.
    """

    def __init__(self, columns: Tensor, before: int, after: int) -> None:
        """columns: (rows, C) or (images, C, pixels), the largest chunk that will come."""
        length, self.channels, *pixels = columns.shape
        shape = (length, before + self.channels + after, *pixels)
        self.before, self.last = before, before + after
        self.step = pixels[0] if pixels else 1  # values from a channel to the next
        self.padded, self.sums = columns.new_zeros(shape), columns.new_empty(shape)

    def inside(self, length: int) -> Tensor:
        """Where the values of a chunk of that length belong."""
        return self.padded[:length].narrow(1, self.before, self.channels)

    def window_sums(self, length: int) -> Tensor:
        """The sums for what is ``inside``, in a view that the next call overwrites."""
        values, sums = self.padded[:length].view(-1), self.sums[:length]
        count = len(values) - self.last * self.step
        out = sums.view(-1)[:count]
        diagonals = [values[shift * self.step :][:count] for shift in range(self.last + 1)]
        if len(diagonals) == 1:
            return out.copy_(values).view_as(sums)
        torch.add(diagonals[0], diagonals[1], out=out)
        for diagonal in diagonals[2:]:
            out.add_(diagonal)
        return sums.narrow(1, 0, self.channels)


def chunks(columns: Tensor) -> list[slice]:
    """Cut dim 0 into pieces of about ``CHUNK_BYTES``, the first of them the largest."""
    row_bytes = max(1, columns[:1].numel() * columns.element_size())
    step = max(1, CHUNK_BYTES // row_bytes)
    return [slice(start, start + step) for start in range(0, max(1, len(columns)), step)]


def power_of_root(root: Tensor, beta: float, out: Tensor) -> Tensor:
    """``d ** -beta`` from ``root = d ** -0.5``."""
    if beta == 0.75:
        return torch.sqrt(root, out=out).mul_(root)
    return torch.pow(root, 2 * beta, out=out)


class Banded(torch.autograd.Function):
    """Keeps x and ``d ** -0.5``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window) -> Tensor:
        root, y = torch.empty_like(x), torch.empty_like(x)
        before, after = window.reach(x.shape[1])
        pieces = chunks(x)
        band = Band(x[pieces[0]], before, after)
        k = x.new_tensor(window.k)
        for rows in pieces:
            x_rows, root_rows = x[rows], root[rows]
            torch.mul(x_rows, x_rows, out=band.inside(len(x_rows)))
            sums = band.window_sums(len(x_rows))
            torch.add(k, sums, alpha=window.scale, out=root_rows).rsqrt_()
            power_of_root(root_rows, window.beta, out=y[rows]).mul_(x_rows)
        ctx.save_for_backward(x, root)
        ctx.window = window
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, root = ctx.saved_tensors
        window: Window = ctx.window
        if torch.is_grad_enabled():  # create_graph: it will be differentiated again
            return gradient_of(x, gradient, window), None
        gradient, dx = gradient.contiguous(), torch.empty_like(x)
        before, after = window.reach(x.shape[1])
        pieces = chunks(x)
        band = Band(x[pieces[0]], after, before)  # the transposed matrix
        for rows in pieces:
            x_rows, root_rows = x[rows], root[rows]
            direct = power_of_root(root_rows, window.beta, out=dx[rows]).mul_(gradient[rows])
            terms = root_rows.square().mul_(direct)
            torch.mul(terms, x_rows, out=band.inside(len(x_rows)))
            sums = band.window_sums(len(x_rows))
            direct.addcmul_(sums, x_rows, value=-2 * window.beta * window.scale)
        return dx, None


def banded(x: Tensor, window: Window) -> Tensor:
    """Normalize columns (rows, C) or (images, C, pixels) along dim 1."""
    y: Tensor = Banded.apply(x, window)
    return y
