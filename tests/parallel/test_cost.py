"""The cost model against numbers by hand, against the nets, and against what processes sent."""

import pytest
import torch

from alexbench import models
from alexbench.config.schema import ModelConfig
from alexbench.parallel import cost
from alexbench.parallel.cost import ALEXNET, Machine, Net
from tests.models.sizes import layer_sizes

# 10 and 90 parameters, 100 and 20 FLOPs, 8 features, 6 units over the links, 12 FC units, 3 classes
TOY = Net(10, 90, 100, 20, features=8, links=6, fc_units=12, classes=3)
MACHINE = Machine(1e3, 1e2, 50)


def test_arithmetic_is_shared_evenly_and_backward_costs_twice_forward():
    assert cost.step(TOY, MACHINE, "columns", 1, 10).compute_seconds == 10 * 3 * 120 / 1e3
    assert cost.step(TOY, MACHINE, "hybrid", 4, 10).compute_seconds == 10 * 3 * 30 / 1e3


@pytest.mark.parametrize(
    ("placement", "devices", "sent"),
    [
        ("columns", 2, 10 * (3 + 3 + 2) * 4),  # its 3 link units, 3 gradients, 2 of 3 logits
        ("data_parallel", 2, 2 * (1 / 2) * 100 * 4),
        ("data_parallel", 4, 2 * (3 / 4) * 100 * 4),
        ("hybrid", 2, 2 * (1 / 2) * 10 * 4 + 2 * 5 * (8 + 12) * 4),
        ("hybrid", 1, 0),
    ],
)
def test_the_bytes_that_a_device_sends(placement, devices, sent):
    step = cost.step(TOY, MACHINE, placement, devices, 10)
    assert step.sent_bytes == pytest.approx(sent)
    assert step.exchange_seconds == pytest.approx(sent / 1e2)


def test_an_epoch_waits_for_training_or_for_reading():
    assert cost.epoch_seconds(TOY, MACHINE, "hybrid", 1, 10, 95) == 10 * 3.6
    slow = Machine(1e9, 1e9, 2)
    assert cost.epoch_seconds(TOY, slow, "hybrid", 1, 10, 95) == 95 / 2


def test_the_papers_net_is_counted_as_it_is_built():
    net = models.blueprint(ModelConfig(), 1000, 224)
    parameters, flops = models.count(net, 224)
    assert ALEXNET.conv_parameters + ALEXNET.fc_parameters == parameters
    assert ALEXNET.conv_flops + ALEXNET.fc_flops == flops
    fc = [layer for name, layer in net.named_children() if name in ("fc6", "fc7", "fc8")]
    assert ALEXNET.fc_parameters == sum(w.numel() for layer in fc for w in layer.parameters())
    sizes = dict(layer_sizes(net, 224))
    assert ALEXNET.features == sizes["flatten"][0] == fc[0].in_features
    pool2 = torch.Size(sizes["pool2"]).numel()
    assert ALEXNET.links == pool2 + sum(layer.in_features for layer in fc)
    assert ALEXNET.fc_units == sum(layer.out_features for layer in fc)


def test_every_placement_is_predicted_on_1_2_4_and_8_devices():
    rows = cost.predictions(MACHINE, 128, 1000)
    found = {(row["placement"], row["devices"]) for row in rows}
    assert found == {("one", 1), ("columns", 2)} | {
        (placement, devices) for placement in ("data_parallel", "hybrid") for devices in (2, 4, 8)
    }
