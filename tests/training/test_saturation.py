"""The share of saturated tanh units, on nets whose outputs are worked out by hand."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from alexbench.models.layers import ScaledTanh
from alexbench.training.saturation import saturated_percent
from alexbench.training.train import train
from tests.tiny import CPU, tiny_config, tiny_data


def net_with(*activations: nn.Module) -> nn.Sequential:
    """Layers whose one unit has weight 2, each with its activation, and an output layer."""
    layers: list[tuple[str, nn.Module]] = []
    for number, activation in enumerate(activations, 1):
        layers += [(f"fc{number}", nn.Linear(1, 1)), (f"pool{number}", nn.Identity())]
        layers += [(f"activation{number}", activation)]
    net = nn.Sequential(OrderedDict([*layers, ("out", nn.Linear(1, 1))]))
    for name, parameter in net.named_parameters():
        nn.init.constant_(parameter, 2.0 if name.endswith("weight") else 0.0)
    return net


def test_the_share_of_saturated_units_by_hand():
    # tanh exceeds 0.95 in size from 1.832 on. fc1 gives 2x: -2, 0, 1.8 and 4, of which two exceed
    # it. fc2 gives 2 tanh(2x): -1.93, 0, 1.89 and 2, of which three do.
    net = net_with(nn.Tanh(), nn.Tanh())
    inputs = torch.tensor([[-1.0], [0.0], [0.9], [2.0]])
    assert saturated_percent(net, lambda: net(inputs)) == {
        "saturated_fc1": 50.0,
        "saturated_fc2": 75.0,
    }


def test_the_scaled_tanh_has_a_limit_of_its_own():
    # 1.7159 tanh(4x/3) exceeds 0.95 * 1.7159 from x = 1.374 on
    net = net_with(ScaledTanh())
    inputs = torch.tensor([[1.3], [1.4], [-1.4]])
    assert saturated_percent(net, lambda: net(inputs)) == {"saturated_fc1": 66.667}


def test_a_net_of_relus_is_not_asked():
    assert saturated_percent(net_with(nn.ReLU()), lambda: pytest.fail("passed images")) == {}


def test_no_hook_stays_when_the_pass_fails():
    net = net_with(nn.Tanh())
    with pytest.raises(RuntimeError, match="shapes"):
        saturated_percent(net, lambda: net(torch.ones(1, 3)))
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("activation", "images", "layers"),
    [("tanh", 20, ["conv1", "conv2", "conv3"]), ("tanh", 0, []), ("relu", 20, [])],
)
def test_each_row_of_the_history_has_the_share_of_each_tanh_layer(activation, images, layers):
    config = tiny_config(
        model={"activation": activation}, evaluate={"saturation_images": images}, train={"lr": 1.0}
    )
    history = train(config, tiny_data(), 0, CPU, lambda *_: None).history
    for row in history:
        shares = {key: value for key, value in row.items() if key.startswith("saturated_")}
        assert list(shares) == [f"saturated_{layer}" for layer in layers]
        assert all(0 < share <= 100 for share in shares.values())
