"""The eight layers of the paper, for 224 pixel photographs and for small images."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from torch import nn

from alexbench.config.schema import ModelConfig
from alexbench.models.layers import ColumnLinear, Dropout
from alexbench.models.stage import Layers, Pool, pooled, pooling, scaled, stage


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


# what follows conv1: the kernel size of each convolution, and the pool after it
CONVOLUTIONS: tuple[tuple[str, int, Pool | None], ...] = (
    ("conv2", 5, "max"),
    ("conv3", 3, None),
    ("conv4", 3, None),
    ("conv5", 3, "max"),
)


def form_of(model: ModelConfig) -> Form:
    """The columns' form. Without conv3, the layer at which they meet, they meet at conv4 instead:
    removing a layer takes away depth and nothing else."""
    form = FORMS[model.columns]
    if model.removed_layer == "conv3" and "conv3" not in form.split:
        return replace(form, split=tuple(name for name in form.split if name != "conv4"))
    return form


def alexnet(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """The paper's net; 224 pixel inputs give maps of side 55, 27, 13 and 6.

    The released convolution reads zeros beyond the right and bottom edges until its last window is
    full, ceil((224 - 11) / 4) + 1 = 55 windows. Stride 4 never needs more than 3 zeros there, and
    torch leaves unread those that fill no window; none stand on the left and top. Rounded down, as
    by libraries, there are none.
    """
    zeros = 3 if model.rounding == "up" else 0
    side = (input_size + zeros - 11) // 4 + 1
    kernels = form_of(model).columns * scaled(form_of(model).kernels[0], model)
    conv1 = nn.Conv2d(3, kernels, 11, stride=4)
    pad: Layers = [("pad", nn.ZeroPad2d((0, 3, 0, 3)))] if zeros else []
    return nn.Sequential(OrderedDict(pad + eight_layers(model, conv1, side, num_classes)))


def alexnet_small(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """The same eight layers with a 5x5 stride 1 conv1, for inputs of 24 to 64 pixels.

    32 pixel inputs give maps of side 32, 16, 8 and 4. At stride 4 the three pooling layers would
    leave a single pixel; 5x5 is the conv1 of the authors' own CIFAR-10 nets.
    """
    kernels = form_of(model).columns * scaled(form_of(model).kernels[0], model)
    conv1 = nn.Conv2d(3, kernels, 5, padding=2)
    return nn.Sequential(OrderedDict(eight_layers(model, conv1, input_size, num_classes)))


def eight_layers(model: ModelConfig, conv1: nn.Conv2d, side: int, num_classes: int) -> Layers:
    """Everything from conv1, whose maps are ``side`` pixels wide, to the logits.

    Channels and units are ordered by column, so column a's share of any weight is its first rows.
    """
    form = form_of(model)
    inputs, *kernels = (scaled(number, model) for number in form.kernels)
    windows = form.columns if "lrn" in form.split else 1
    layers, side = stage(model, "conv1", conv1, "max", windows), pooled(side, model)
    for (name, kernel_size, pool), outputs in zip(CONVOLUTIONS, kernels, strict=True):
        if name != model.removed_layer:
            layer = conv(form, name, inputs, outputs, kernel_size)
            layers += stage(model, name, layer, pool, windows)
            inputs = outputs
        elif pool:
            layers.append((f"pool{name[-1]}", pooling(model, pool)))
        side = pooled(side, model) if pool else side
    if model.adaptive_pool:
        layers.append(("adaptive_pool", nn.AdaptiveAvgPool2d(model.adaptive_pool)))
        side = model.adaptive_pool
    return layers + classifier(model, form, inputs * side**2, num_classes)


def classifier(model: ModelConfig, form: Form, inputs: int, num_classes: int) -> Layers:
    """The three FC layers and their dropout; ``inputs`` to each column."""
    u6, u7 = (scaled(number, model) for number in form.units)
    dropped = ("5", "6") if model.dropout_place == "layer_inputs" else ("6", "7")
    layers: Layers = [
        ("flatten", nn.Flatten()),
        ("dropout5", Dropout(model.dropout)),
        *stage(model, "fc6", fully_connected(form, "fc6", inputs, u6)),
        ("dropout6", Dropout(model.dropout)),
        *stage(model, "fc7", fully_connected(form, "fc7", u6, u7)),
        ("dropout7", Dropout(model.dropout)),
        ("fc8", nn.Linear(form.columns * u7, num_classes)),
    ]
    return [
        (name, layer)
        for name, layer in layers
        if "dropout" not in name or (model.dropout and name[-1] in dropped)
    ]


def conv(form: Form, name: str, inputs: int, outputs: int, kernel_size: int) -> nn.Conv2d:
    """A convolution; it sees its own column only if the form splits that layer.

    inputs, outputs: kernels a column. One grouped convolution: on the CPU in channels-last it is
    faster than a convolution a column and their concatenation for conv2, and within 20% of it for
    the others.
    """
    return nn.Conv2d(
        form.columns * inputs,
        form.columns * outputs,
        kernel_size,
        padding=kernel_size // 2,
        groups=form.columns if name in form.split else 1,
    )


def fully_connected(form: Form, name: str, inputs: int, outputs: int) -> nn.Module:
    """A fully connected layer; it sees its own column only if the form splits that layer."""
    if name in form.split:
        return ColumnLinear(inputs, outputs, form.columns)
    return nn.Linear(form.columns * inputs, form.columns * outputs)
