"""The CIFAR-10 nets of cuda-convnet: four layers of weights, and the locally connected ones."""

from collections import OrderedDict

from torch import nn

from alexbench.config.schema import ModelConfig
from alexbench.models.layers import Dropout, LocallyConnected
from alexbench.models.stage import Layers, scaled, stage


def cifar4(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """The 18% recipe (89,578 parameters), or with 64 ``hidden_units`` the 26% one (145,578).

    Sides 32-16-8-4: pool1 takes the maximum and the other two the mean. ``within_map_norm`` is the
    18% recipe's own, 3x3 after conv1 and conv2.
    """
    k1, k2, k3 = (scaled(number, model) for number in (32, 32, 64))
    features = k3 * (input_size // 2 // 2 // 2) ** 2
    layers: Layers = [
        *stage(model, "conv1", nn.Conv2d(3, k1, 5, padding=2), "max"),
        *stage(model, "conv2", nn.Conv2d(k1, k2, 5, padding=2), "average"),
        *stage(model, "conv3", nn.Conv2d(k2, k3, 5, padding=2), "average"),
        ("flatten", nn.Flatten()),
    ]
    if not model.hidden_units:
        return nn.Sequential(OrderedDict([*layers, ("fc4", nn.Linear(features, num_classes))]))
    layers += stage(model, "fc4", nn.Linear(features, scaled(model.hidden_units, model)))
    if model.dropout:
        layers.append(("dropout4", Dropout(model.dropout)))
    output = nn.Linear(scaled(model.hidden_units, model), num_classes)
    return nn.Sequential(OrderedDict([*layers, ("fc5", output)]))


def cifar_local(model: ModelConfig, num_classes: int, input_size: int) -> nn.Sequential:
    """The 11% recipe (2,112,970 parameters), or with 32 ``local_kernels`` the 13% one (1,116,490).

    Sides 24-12-6 for the 24 pixel crops of both recipes; ten classes.
    """
    k1, k2, k3, k4 = (scaled(number, model) for number in (64, 64, model.local_kernels, 32))
    side = input_size // 2 // 2
    layers: Layers = [
        *stage(model, "conv1", nn.Conv2d(3, k1, 5, padding=2), "max"),
        *stage(model, "conv2", nn.Conv2d(k1, k2, 5, padding=2), "max"),
        *stage(model, "local3", LocallyConnected(k2, k3, side, 3)),
        *stage(model, "local4", LocallyConnected(k3, k4, side, 3)),
        ("flatten", nn.Flatten()),
        ("fc5", nn.Linear(k4 * side**2, num_classes)),
    ]
    return nn.Sequential(OrderedDict(layers))
