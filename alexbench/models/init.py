"""Initial weights: normal draws with a standard deviation a layer, and constant biases."""

import hashlib
from collections.abc import Iterator

import torch
from torch import nn

from alexbench.config import own_parts
from alexbench.config.constraints import EIGHT_LAYERS, layer_names
from alexbench.config.schema import ModelConfig
from alexbench.models.layers import ColumnLinear, Dropout, LocallyConnected
from alexbench.models.own import own_gain

Weighted = nn.Conv2d | nn.Linear | LocallyConnected | ColumnLinear

# Hidden layers that start with ``bias_init``: section 5 names those of the eight layers; in the
# other nets, which were run with zeros, it is every hidden layer but the first.
EIGHT_LAYERS_BIASED = ["conv2", "conv4", "conv5", "fc6", "fc7"]
# Released standard deviations that are not 0.01: layers-145.cfg (alexnet_small borrows them) and
# cuda-convnet's example layers, for inputs of 0..255 minus the mean.
RELEASED_SD = {
    "alexnet": {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03},
    "alexnet_small": {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03},
    "cifar4": {"conv1": 1e-4},
    "cifar_local": {"conv1": 1e-4, "local3": 0.04, "local4": 0.04},
}
# Keeps the variance of a layer's output that of its input: He et al. for relu, torch's for tanh;
# the scaled tanh is made to need none (LeCun et al.).
GAIN = {"relu": 2**0.5, "tanh": 5 / 3, "scaled_tanh": 1.0}


@torch.no_grad()
def initialise(net: nn.Module, model: ModelConfig, seed: int, input_scale: float = 1.0) -> None:
    """Draw every weight of a net on the CPU, and set every bias.

    Each weight is a standard-normal draw of its own stream, seeded by (seed, its name), times the
    layer's standard deviation: variants with one seed share the draws of equal names and shapes.
    The sds of the paper and of the released nets are for pixels in 0..255: where pixels are divided
    by ``input_scale``, conv1 starts so many times larger, and its outputs as they did.
    """
    layers = list(weighted_layers(net))
    output = layers[-1][0]
    hidden = EIGHT_LAYERS_BIASED if model.name in EIGHT_LAYERS else layer_names(model)[1:-1]
    for name, layer, num_inputs in layers:
        weight, bias = layer.parameters()
        sd = standard_deviation(model, name, num_inputs, is_output=name == output)
        if name == "conv1" and model.init != "fan_in":
            sd *= input_scale
        stream = torch.Generator().manual_seed(parameter_seed(seed, f"{name}.weight"))
        weight.copy_(torch.randn(weight.shape, generator=stream, dtype=torch.float32).mul_(sd))
        bias.fill_(model.bias_init if name in hidden else 0.0)


def weighted_layers(net: nn.Module) -> Iterator[tuple[str, Weighted, float]]:
    """Each layer with weights, and how many inputs one of its outputs sums in training.

    Dropped inputs do not count: the paper's dropout does not make up for them.
    """
    kept = 1.0
    for name, layer in net.named_children():
        if isinstance(layer, Dropout):
            kept = 1 - layer.p
        elif isinstance(layer, Weighted):
            local = isinstance(layer, LocallyConnected)
            fan_in = layer.weight.shape[-1] if local else layer.weight[0].numel()
            yield name, layer, fan_in * kept
            kept = 1.0


def standard_deviation(model: ModelConfig, name: str, num_inputs: float, is_output: bool) -> float:
    """A layer's initial deviation; fan_in is gain / sqrt(inputs), with gain 1 for the logits."""
    match model.init:
        case "paper":
            return 0.01
        case "as_run" if model.name == "cifar4" and model.hidden_units and "fc" in name:
            return 0.1  # both FC layers of the 26% recipe
        case "as_run":
            return RELEASED_SD[model.name].get(name, 0.01)
        case "fan_in":
            gain = 1.0 if is_output else gain_of(model.activation)
            return float(gain / num_inputs**0.5)


def gain_of(activation: str) -> float:
    """What the weights before an activation are multiplied by under ``fan_in``."""
    return own_gain(activation) if own_parts.is_own(activation) else GAIN[activation]


def parameter_seed(seed: int, name: str) -> int:
    """A seed below 2^63 for the stream of one parameter."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
