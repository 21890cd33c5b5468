"""The eight layers of the paper, for 224 pixel photographs and for small images."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from alexbench.models.layers import ColumnLinear, Dropout
from alexbench.models.stage import Layers, scaled, stage
from alexbench.schema import ModelConfig


@dataclass(frozen=True)
class Form:
    """How many kernels and units a column has, and which layers see their own column only."""

    columns: int
    kernels: tuple[int, ...]  # of conv1 to conv5, in each column
    units: tuple[int, int]  # of fc6 and fc7, in each column
    split: tuple[str, ...] = ()  # layers that see their own column only; lrn: its windows


FORMS = {
    "two_columns": Form(
        2, (48, 128, 192, 192, 128), (2048, 2048), ("lrn", "conv2", "conv4", "conv5")
    ),
    # footnote 2 of the paper, notebook #145-half: conv5 and the FC layers stay whole
    "one_column": Form(1, (48, 128, 192, 192, 256), (4096, 4096)),
    # notebook #150: nothing is exchanged before fc8; a wider conv2 and fc6 match the parameters
    "no_links": Form(
        2,
        (48, 160, 192, 192, 128),
        (4096, 2048),
        ("lrn", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"),
    ),
    "dense": Form(2, (48, 128, 192, 192, 128), (2048, 2048)),  # the kernels of both, all linked
}


def alexnet(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """The paper's net; 224 pixel inputs give maps of side 55, 27, 13 and 6.

    The released convolution reads zeros beyond the right and bottom edges until its last window is
    full, ceil((224 - 11) / 4) + 1 = 55 windows. Stride 4 never needs more than 3 zeros there, and
    torch leaves unread those that fill no window; none stand on the left and top.
    """
    form = FORMS[model.columns]
    side = (input_size + 3 - 11) // 4 + 1
    conv1 = nn.Conv2d(3, form.columns * scaled(form.kernels[0], model), 11, stride=4)
    pad: Layers = [("pad", nn.ZeroPad2d((0, 3, 0, 3)))]
    return nn.Sequential(OrderedDict(pad + eight_layers(model, form, conv1, side, num_classes)))


def alexnet_small(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """The same eight layers with a 5x5 stride 1 conv1, for inputs of 24 to 64 pixels.

    32 pixel inputs give maps of side 32, 16, 8 and 4. At stride 4 the three pooling layers would
    leave a single pixel; 5x5 is the conv1 of the authors' own CIFAR-10 nets.
    """
    form = FORMS[model.columns]
    conv1 = nn.Conv2d(3, form.columns * scaled(form.kernels[0], model), 5, padding=2)
    return nn.Sequential(OrderedDict(eight_layers(model, form, conv1, input_size, num_classes)))


def eight_layers(
    model: ModelConfig, form: Form, conv1: nn.Conv2d, side: int, num_classes: int
) -> Layers:
    """Everything from conv1, whose maps are ``side`` pixels wide, to the logits.

    Channels and units are ordered by column, so column a's share of any weight is its first rows.
    """
    k1, k2, k3, k4, k5 = (scaled(number, model) for number in form.kernels)
    u6, u7 = (scaled(number, model) for number in form.units)
    last_side = side // 2 // 2 // 2
    windows = form.columns if "lrn" in form.split else 1
    layers = [
        *stage(model, "conv1", conv1, "max", windows),
        *stage(model, "conv2", conv(form, "conv2", k1, k2, 5), "max", windows),
        *stage(model, "conv3", conv(form, "conv3", k2, k3, 3)),
        *stage(model, "conv4", conv(form, "conv4", k3, k4, 3)),
        *stage(model, "conv5", conv(form, "conv5", k4, k5, 3), "max"),
        ("flatten", nn.Flatten()),
        *stage(model, "fc6", fully_connected(form, "fc6", k5 * last_side**2, u6)),
        ("dropout6", Dropout(model.dropout)),
        *stage(model, "fc7", fully_connected(form, "fc7", u6, u7)),
        ("dropout7", Dropout(model.dropout)),
        ("fc8", nn.Linear(form.columns * u7, num_classes)),
    ]
    return [(name, layer) for name, layer in layers if model.dropout or "dropout" not in name]


def conv(form: Form, name: str, inputs: int, outputs: int, kernel_size: int) -> nn.Conv2d:
    """Between so many kernels a column, in its own column only if the form splits that layer.

    One grouped convolution: on the CPU in channels-last it is faster than a convolution a column
    and their concatenation for conv2, and within 20% of it for the others.
    """
    return nn.Conv2d(
        form.columns * inputs,
        form.columns * outputs,
        kernel_size,
        padding=kernel_size // 2,
        groups=form.columns if name in form.split else 1,
    )


def fully_connected(form: Form, name: str, inputs: int, outputs: int) -> nn.Module:
    """Between so many units a column, in its own column only if the form splits that layer."""
    if name in form.split:
        return ColumnLinear(inputs, outputs, form.columns)
    return nn.Linear(form.columns * inputs, form.columns * outputs)
