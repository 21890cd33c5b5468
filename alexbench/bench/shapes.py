"""The layers that are timed: those that this suite's nets spend their time in, and two yardsticks.

Sides are of the input, in pixels. ``first``: the input is the image, which needs no gradient.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Conv:
    """A square convolution."""

    name: str
    in_channels: int
    out_channels: int
    side: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    first: bool = False

    @property
    def out_side(self) -> int:
        """The side of the output in pixels."""
        return (self.side + 2 * self.padding - self.kernel_size) // self.stride + 1


@dataclass(frozen=True)
class Norm:
    """A local response normalization with the paper's parameters."""

    name: str
    channels: int
    side: int
    groups: int = 1


@dataclass(frozen=True)
class Pool:
    """A 3x3/2 pool with partial windows at the edge."""

    name: str
    channels: int
    side: int
    kind: str  # max or average

    @property
    def out_side(self) -> int:
        """The side of the output in pixels."""
        return self.side // 2


Shape: TypeAlias = Conv | Norm | Pool


@dataclass(frozen=True)
class TrainStep:
    """A whole training step of a net with the schema's defaults but for what is named here."""

    name: str
    input_size: int
    num_classes: int
    cpu_batch: int
    cuda_batch: int = 128


@dataclass(frozen=True)
class WholeNet:
    """A whole net on 224-pixel images as in convnet-benchmarks: no LRN, dropout, loss or update.

    model: keys of ``model`` that are not the schema's defaults. Batches of 128 images on CUDA.
    """

    name: str
    model: tuple[tuple[str, object], ...]
    cpu_batch: int
    cuda_batch: int = 128


# The paper's net: 224 pixels and 3 zeros on the right and bottom are 227. conv2, conv4 and conv5
# see their own column alone (section 3.2); "dense" links all kernels; "one_column" is footnote 2.
ALEXNET = (
    Conv("alexnet_conv1", 3, 96, 227, 11, stride=4, first=True),
    Conv("alexnet_conv2", 96, 256, 27, 5, padding=2, groups=2),
    Conv("alexnet_conv3", 256, 384, 13, 3, padding=1),
    Conv("alexnet_conv4", 384, 384, 13, 3, padding=1, groups=2),
    Conv("alexnet_conv5", 384, 256, 13, 3, padding=1, groups=2),
    Conv("alexnet_dense_conv2", 96, 256, 27, 5, padding=2),
    Conv("alexnet_dense_conv4", 384, 384, 13, 3, padding=1),
    Conv("alexnet_dense_conv5", 384, 256, 13, 3, padding=1),
    Conv("alexnet_one_column_conv1", 3, 48, 227, 11, stride=4, first=True),
    Conv("alexnet_one_column_conv2", 48, 128, 27, 5, padding=2),
    Conv("alexnet_one_column_conv3", 128, 192, 13, 3, padding=1),
    Conv("alexnet_one_column_conv4", 192, 192, 13, 3, padding=1),
    Conv("alexnet_one_column_conv5", 192, 256, 13, 3, padding=1),
)
# soumith/convnet-benchmarks, the layer-wise part: unpadded, stride 1
CONVNET_BENCHMARKS = (
    Conv("convnet_benchmarks_l1", 3, 96, 128, 11, first=True),
    Conv("convnet_benchmarks_l2", 64, 128, 64, 9),
    Conv("convnet_benchmarks_l3", 128, 128, 32, 9),
    Conv("convnet_benchmarks_l4", 128, 128, 16, 7),
    Conv("convnet_benchmarks_l5", 384, 384, 13, 3),
)
CIFAR = (
    Conv("cifar4_conv1", 3, 32, 32, 5, padding=2, first=True),
    Conv("cifar4_conv2", 32, 32, 16, 5, padding=2),
    Conv("cifar4_conv3", 32, 64, 8, 5, padding=2),
    Conv("cifar_local_conv1", 3, 64, 24, 5, padding=2, first=True),
    Conv("cifar_local_conv2", 64, 64, 12, 5, padding=2),
)
# Simonyan and Zisserman 2014, configuration A; conv5_2 has the shape of conv5_1
VGG_A = (
    Conv("vgg_a_conv1", 3, 64, 224, 3, padding=1, first=True),
    Conv("vgg_a_conv2", 64, 128, 112, 3, padding=1),
    Conv("vgg_a_conv3_1", 128, 256, 56, 3, padding=1),
    Conv("vgg_a_conv3_2", 256, 256, 56, 3, padding=1),
    Conv("vgg_a_conv4_1", 256, 512, 28, 3, padding=1),
    Conv("vgg_a_conv4_2", 512, 512, 28, 3, padding=1),
    Conv("vgg_a_conv5", 512, 512, 14, 3, padding=1),
)
CONVS = ALEXNET + CONVNET_BENCHMARKS + CIFAR + VGG_A

NORMS = (
    Norm("alexnet_norm1", 96, 55, groups=2),
    Norm("alexnet_norm2", 256, 27, groups=2),
    Norm("cifar4_norm1", 32, 16),
    Norm("cifar4_norm2", 32, 8),
)
POOLS = (
    Pool("alexnet_pool1", 96, 55, "max"),
    Pool("alexnet_pool2", 256, 27, "max"),
    Pool("alexnet_pool5", 256, 13, "max"),
    Pool("cifar4_pool1", 32, 32, "max"),
    Pool("cifar4_pool2", 32, 16, "average"),
)
# A whole step of alexnet moves its 61 million weights five times, whatever the batch.
STEPS = (
    TrainStep("cifar4", 32, 10, cpu_batch=128),
    TrainStep("alexnet_small", 32, 10, cpu_batch=8),
    TrainStep("alexnet", 224, 1000, cpu_batch=2),
)
# One column is the net that one GPU of the paper could hold (footnote 2); the AlexNet of
# convnet-benchmarks' latest tables has more kernels, so that its times are no times of this one.
NETS = (
    WholeNet("alexnet_one_column", (("name", "alexnet"), ("columns", "one_column")), cpu_batch=2),
    WholeNet("vgg_a", (("name", "vgg_a"),), cpu_batch=1),
)
