"""The nets: ``build`` makes one from the model section of a configuration."""

from collections import OrderedDict

import torch
from torch import nn

from alexbench.config import own_parts
from alexbench.config.schema import ModelConfig
from alexbench.models.alexnet import alexnet, alexnet_small
from alexbench.models.cifar import cifar4, cifar_local
from alexbench.models.init import initialise
from alexbench.models.layers import Dropout
from alexbench.models.own import OwnNet, own_net
from alexbench.models.sizes import count
from alexbench.models.vgg import DEPTHS, vgg

__all__ = ["blueprint", "build", "count", "set_dropout_stream"]

NETS = {
    "alexnet": alexnet,
    "alexnet_small": alexnet_small,
    "cifar4": cifar4,
    "cifar_local": cifar_local,
} | dict.fromkeys(DEPTHS, vgg)


def blueprint(model: ModelConfig, num_classes: int, input_size: int) -> nn.Module:
    """The net on the meta device: shapes without numbers, enough to count. Own nets: on the CPU."""
    if own_parts.is_own(model.name):
        return own_net(model, num_classes, input_size, seed=0)
    side = model.resize or input_size
    with torch.device("meta"):
        net = NETS[model.name](model, num_classes, side)
    if not model.resize:
        return net
    resize = nn.Upsample(size=(side, side), mode="bilinear")
    return nn.Sequential(OrderedDict([("resize", resize), *net.named_children()]))


def build(
    model: ModelConfig, num_classes: int, input_size: int, seed: int, input_scale: float = 1.0
) -> nn.Module:
    """The net on the CPU in float32 with its initial weights, the same for the same seed.

    Inputs (images, 3, input_size, input_size), pixels divided by input_scale, give logits
    (images, num_classes). Raises BadInput for what is wrong with an own net.
    """
    if own_parts.is_own(model.name):
        return own_net(model, num_classes, input_size, seed)
    net = blueprint(model, num_classes, input_size)
    for module in net.modules():  # as to_empty does, which imports sympy: a second for each worker
        for name, weight in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.empty(weight.shape)))
    initialise(net, model, seed, input_scale)
    return net


def set_dropout_stream(net: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout layer draw its masks from that generator, which is on the net's device.

    An own net draws all that it draws from it.
    """
    for layer in net.modules():
        if isinstance(layer, Dropout | OwnNet):
            layer.generator = generator
