"""What every net does with a batch, whatever its precision and memory format."""

import pytest
import torch
import torch.nn.functional as F

from alexbench.config.schema import ModelConfig
from alexbench.models import build, set_dropout_stream

NETS = [
    (ModelConfig(name="alexnet", width=0.03, init="fan_in"), 67),
    (ModelConfig(name="alexnet", width=0.03, init="fan_in", form="as_run"), 67),
    (ModelConfig(name="alexnet_small", width=0.06, init="fan_in"), 28),
    (ModelConfig(name="alexnet_small", width=0.06, init="fan_in", columns="no_links"), 24),
    (ModelConfig(name="cifar4", width=0.2, init="fan_in", hidden_units=32), 32),
    (ModelConfig(name="cifar4", width=0.2, init="fan_in", within_map_norm=True), 32),
    (ModelConfig(name="cifar_local", width=0.2, init="fan_in", lrn_order="as_run"), 24),
]


def images(input_size, dtype=torch.float32):
    stream = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, input_size, input_size, generator=stream, dtype=dtype)


def step(net, x):
    """Logits and gradients of one training pass with dropout masks of seed 0."""
    set_dropout_stream(net, torch.Generator().manual_seed(0))
    logits = net(x)
    F.cross_entropy(logits, torch.tensor([0, 1])).backward()
    return logits, [p.grad for p in net.parameters()]


@pytest.mark.parametrize(("model", "input_size"), NETS)
def test_a_batch_of_images_gives_a_row_of_logits_each_and_every_weight_a_gradient(
    model, input_size
):
    net = build(model, num_classes=7, input_size=input_size, seed=0)
    logits, gradients = step(net, images(input_size))
    assert logits.shape == (2, 7)
    assert logits.dtype == torch.float32
    assert all(g.isfinite().all() and g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize(("model", "input_size"), NETS)
def test_memory_formats_give_the_same_logits_and_gradients(model, input_size):
    x = images(input_size, torch.float64)
    nets = [build(model, 7, input_size, seed=0).double() for _ in range(2)]
    expected, expected_gradients = step(nets[0], x)
    channels_last = nets[1].to(memory_format=torch.channels_last)
    logits, gradients = step(channels_last, x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(gradients, expected_gradients)


def test_a_dropout_stream_reaches_every_dropout_layer_and_repeats():
    model = ModelConfig(name="alexnet_small", width=0.06)
    net = build(model, num_classes=7, input_size=16, seed=0)
    before = torch.random.get_rng_state()
    stream = torch.Generator().manual_seed(0)
    set_dropout_stream(net, stream)
    assert net.dropout6.generator is net.dropout7.generator is stream
    x = images(16)
    first, second = net(x), net(x)
    assert not torch.equal(first, second)
    set_dropout_stream(net, torch.Generator().manual_seed(0))
    assert torch.equal(first, net(x))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_net_is_deterministic_in_testing(dropout):
    model = ModelConfig(name="alexnet_small", width=0.06, dropout=dropout)
    net = build(model, num_classes=7, input_size=16, seed=0).eval()
    x = images(16)
    assert torch.equal(net(x), net(x))


def test_the_conv1_kernels_are_found_by_name():
    for model, input_size in NETS:
        net = build(model, num_classes=7, input_size=input_size, seed=0)
        kernels = net.get_submodule("conv1").weight
        assert kernels.shape[1] == 3
