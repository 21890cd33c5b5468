"""VGG A to E (Simonyan, Zisserman, arXiv 1409.1556, Table 1); A with ``lrn: conv1`` is A-LRN."""

from collections import OrderedDict

from torch import nn

from alexbench.config.schema import ModelConfig
from alexbench.models.layers import Dropout
from alexbench.models.stage import Layers, pooled, scaled, stage

KERNELS = (64, 128, 256, 512, 512)  # in each of the five blocks that end in a pool
DEPTHS = {
    "vgg_a": (1, 1, 2, 2, 2),
    "vgg_b": (2, 2, 2, 2, 2),
    "vgg_c": (2, 2, 3, 3, 3),
    "vgg_d": (2, 2, 3, 3, 3),
    "vgg_e": (2, 2, 4, 4, 4),
}
UNITS = 4096


def vgg(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """3x3 convolutions alone, but for the third of a block in C, which is 1x1.

    224 pixel inputs give maps of side 7 after the last pool. The paper pools 2x2 at stride 2
    (``pooling: non_overlapping``) and drops half of the hidden units.
    """
    layers: Layers = []
    number, inputs, side = 0, 3, input_size
    for kernels, depth in zip(KERNELS, DEPTHS[model.name], strict=True):
        for place in range(1, depth + 1):
            number += 1
            kernel_size = 1 if model.name == "vgg_c" and place == 3 else 3
            outputs = scaled(kernels, model)
            conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)
            layers += stage(model, f"conv{number}", conv, "max" if place == depth else None)
            inputs = outputs
        side = pooled(side, model)
    layers.append(("flatten", nn.Flatten()))
    features = inputs * side**2
    for hidden in (number + 1, number + 2):
        layers += stage(model, f"fc{hidden}", nn.Linear(features, scaled(UNITS, model)))
        features = scaled(UNITS, model)
        if model.dropout:
            layers.append((f"dropout{hidden}", Dropout(model.dropout)))
    layers.append((f"fc{number + 3}", nn.Linear(features, num_classes)))
    return nn.Sequential(OrderedDict(layers))
