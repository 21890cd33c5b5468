"""The model behind GFLOP/s and GB/s: the work and traffic that a layer cannot do without.

FLOPs: 2 a multiply-add. Bytes: each tensor that goes in is read once, each that comes out is
written once. Forward reads x and the weights and writes y; backward reads x, the gradient of y and
the weights and writes the gradients of x and of the weights. A maximum pool writes an index of
eight bytes beside each y, and reads it backward. Biases and clipped windows are left out.
"""

from dataclasses import dataclass

from alexbench.bench.shapes import Conv, Norm, Pool, Shape

NORM_SIZE = 5
INDEX_BYTES = 8  # torch's are int64


@dataclass(frozen=True)
class Cost:
    """FLOPs, and bytes read and written, of one call."""

    flops: int
    bytes: int

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return self.flops / self.bytes

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.bytes + other.bytes)


def cost(shape: Shape, direction: str, batch: int, itemsize: int) -> Cost:
    """The cost of one pass of a layer on ``batch`` images with ``itemsize`` bytes a value."""
    match shape:
        case Conv():
            flops, values = conv(shape, direction, batch)
        case Norm():
            flops, values = norm(shape, direction, batch)
        case Pool():
            flops, values = pool(shape, direction, batch)
    return Cost(flops, values * itemsize + index_bytes(shape, batch))


def index_bytes(shape: Shape, batch: int) -> int:
    """Bytes of the places of the maxima, written forward or read backward."""
    if not isinstance(shape, Pool) or shape.kind != "max":
        return 0
    return INDEX_BYTES * batch * shape.channels * shape.out_side**2


def conv(shape: Conv, direction: str, batch: int) -> tuple[int, int]:
    """FLOPs, and values read and written, of a convolution."""
    weights = shape.out_channels * shape.in_channels // shape.groups * shape.kernel_size**2
    x = batch * shape.in_channels * shape.side**2
    y = batch * shape.out_channels * shape.out_side**2
    flops = 2 * batch * weights * shape.out_side**2
    if direction == "forward":
        return flops, x + weights + y
    if shape.first:  # no gradient of x, and so no need of the weights
        return flops, x + y + weights
    return 2 * flops, x + y + weights + x + weights


def norm(shape: Norm, direction: str, batch: int) -> tuple[int, int]:
    """A window sum is 2 FLOPs a neighbour; a power of 0.75 counts as 3, a product as 1."""
    x = batch * shape.channels * shape.side**2
    if direction == "forward":
        return x * (2 * NORM_SIZE + 2 + 3 + 1), 2 * x
    return x * (2 * NORM_SIZE + 2 + 3 + NORM_SIZE + 7), 3 * x


def pool(shape: Pool, direction: str, batch: int) -> tuple[int, int]:
    """Nine comparisons or additions a pixel; backward the maximum adds once, the mean nine times.

    The backward pass of a pool needs no x: an index or nothing tells where to add.
    """
    x = batch * shape.channels * shape.side**2
    y = batch * shape.channels * shape.out_side**2
    if direction == "forward":
        return 9 * y, x + y
    return (1 if shape.kind == "max" else 9) * y, y + x
