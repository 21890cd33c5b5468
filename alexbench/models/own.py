"""Nets and activations of one's own, from a Python file beside the ablation."""

import math

import torch
from torch import Tensor, nn

from alexbench.config import own_parts
from alexbench.config.schema import ModelConfig
from alexbench.errors import BadInput
from alexbench.models.layers import Dropout


class OwnNet(nn.Module):
    """A net of one's own. What it draws in training comes from the run's stream for dropout.

    Layers such as ``nn.Dropout`` draw from torch's own generator of their device: it gets the state
    of ``generator`` before each pass, which takes it back. So a run that goes on from a checkpoint
    draws what it would have drawn.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.net(x)  # type: ignore[no-any-return]
        assert self.generator is not None, "call models.set_dropout_stream before training"
        torchs = (
            torch.default_generator
            if x.device.type == "cpu"
            else torch.cuda.default_generators[x.device.index]
        )
        for layer in self.modules():
            if isinstance(layer, Dropout):  # alexbench's, which draws from a generator of its own
                layer.generator = torchs
        torchs.set_state(self.generator.get_state())
        logits = self.net(x)
        self.generator.set_state(torchs.get_state())
        return logits  # type: ignore[no-any-return]


def own_net(model: ModelConfig, num_classes: int, input_size: int, seed: int) -> OwnNet:
    """What the file's function makes of the same arguments as a net of alexbench's.

    Its weights stay as it sets them, from torch's generator with the seed of the run's weights.
    Raises BadInput.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = own_parts.call(model.name, model, num_classes, input_size)
    if not isinstance(net, nn.Module):
        raise BadInput(f"{own_parts.name(model.name)}: returns {kind(net)}, not a torch.nn.Module")
    return OwnNet(net)


class OwnActivation(nn.Module):
    """An activation of one's own: a function from a tensor to one of the same shape.

    Raises BadInput for a function that gives something else.
    """

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value, self.function = value, own_parts.function(value)
        respond(value, torch.zeros(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return own_parts.name(self.value)


def own_gain(value: str) -> float:
    """1 / sqrt(mean of f(z)^2) over standard normal z: He et al.'s gain, sqrt(2) for a ReLU.

    Raises BadInput for a function that has none.
    """
    z = torch.linspace(-8, 8, 16_001)
    density = torch.exp(-(z.double() ** 2) / 2) / math.sqrt(2 * math.pi)
    mean_square = float((respond(value, z.clone()).double() ** 2 * density).sum() * (z[1] - z[0]))
    if not 0 < mean_square < math.inf:
        raise BadInput(f"{own_parts.name(value)}: its outputs are all 0, or not finite: no gain")
    return float(f"{mean_square**-0.5:.4g}")


def respond(value: str, inputs: Tensor) -> Tensor:
    """What an own activation makes of inputs; raises BadInput unless it is a tensor as large."""
    outputs = own_parts.call(value, inputs)
    if not isinstance(outputs, Tensor) or outputs.shape != inputs.shape:
        raise BadInput(
            f"{own_parts.name(value)}: returns {kind(outputs)} for a tensor of shape "
            f"{tuple(inputs.shape)}, not a tensor of that shape"
        )
    return outputs


def kind(value: object) -> str:
    """What something is, for an error."""
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
    return f"{type(value).__name__}{shape}"
