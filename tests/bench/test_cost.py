"""The model of work and traffic, on sizes small enough to count by hand."""

import pytest
import torch
from torch import nn

from alexbench import models
from alexbench.bench.cost import Cost, cost
from alexbench.bench.shapes import (
    ALEXNET,
    CIFAR,
    CONVS,
    NETS,
    NORMS,
    POOLS,
    STEPS,
    Conv,
    Norm,
    Pool,
    TrainStep,
)
from alexbench.bench.steps import conv_flops, net_config, net_cost, step_config, step_cost
from alexbench.config.schema import ModelConfig

SMALL = Conv("small", in_channels=4, out_channels=6, side=5, kernel_size=3, padding=1, groups=2)


def test_a_grouped_convolution_costs_two_flops_a_multiply_add():
    # 25 pixels x 6 kernels x 3x3x2 weights x 2; x, weights and y are 100, 108 and 150 values
    assert cost(SMALL, "forward", 1, 4) == Cost(25 * 6 * 18 * 2, 4 * (100 + 108 + 150))


def test_its_backward_pass_does_that_twice_and_moves_two_tensors_more():
    both_gradients = 4 * (100 + 108 + 150 + 100 + 108)
    assert cost(SMALL, "backward", 1, 4) == Cost(2 * 5400, both_gradients)


def test_a_first_layer_has_no_gradient_of_its_input_to_compute():
    first = Conv("first", 4, 6, 5, 3, padding=1, groups=2, first=True)
    assert cost(first, "backward", 1, 4) == Cost(5400, 4 * (100 + 150 + 108))


def test_activations_grow_with_the_batch_and_weights_do_not():
    assert cost(SMALL, "forward", 10, 2) == Cost(10 * 5400, 2 * (1000 + 108 + 1500))


def test_normalization_moves_two_tensors_forward_and_three_backward():
    norm = Norm("norm", channels=8, side=3)
    assert cost(norm, "forward", 2, 4).bytes == 2 * 4 * (2 * 8 * 9)
    assert cost(norm, "backward", 2, 4).bytes == 3 * 4 * (2 * 8 * 9)


def test_a_pool_reads_its_input_and_writes_a_quarter():
    assert cost(Pool("pool", 2, 4, "max"), "forward", 1, 4) == Cost(9 * 8, 4 * (32 + 8) + 8 * 8)
    assert cost(Pool("pool", 2, 4, "average"), "forward", 1, 4).bytes == 4 * (32 + 8)
    assert cost(Pool("pool", 2, 4, "max"), "backward", 1, 4).flops == 8
    assert cost(Pool("pool", 2, 4, "average"), "backward", 1, 4).flops == 72


def test_arithmetic_intensity_is_flops_over_bytes():
    assert Cost(12, 4).intensity == 3
    assert Cost(1, 2) + Cost(3, 4) == Cost(4, 6)


def test_the_convolutions_of_a_cifar4_step_are_as_counted_by_hand():
    # forward, an image: 3->32 at 32x32, 32->32 at 16x16, 32->64 at 8x8, all 5x5
    conv1, conv2, conv3 = 2 * 75 * 32 * 1024, 2 * 800 * 32 * 256, 2 * 800 * 64 * 64
    config = step_config(TrainStep("cifar4", 32, 10, cpu_batch=2))
    # the image needs no gradient, so conv1 runs backward once and the others twice
    assert conv_flops(config, 10, 2) == 2 * (2 * conv1 + 3 * conv2 + 3 * conv3)
    linear = 2 * 1024 * 10
    assert step_cost(config, 10, 2).flops == conv_flops(config, 10, 2) + 2 * 3 * linear


def test_the_step_of_a_net_moves_its_weights_at_least_nine_times():
    config = step_config(STEPS[2])
    net = models.blueprint(config.model, 1000, 224)
    weights = sum(weight.numel() for weight in net.parameters())
    # twice in the passes and once as gradients; five values a weight in the update
    least = step_cost(config, 1000, 1, fused=True).bytes
    assert least > 4 * 8 * weights
    # torch's operators: v *= m reads and writes v; three more read two tensors and write one
    assert step_cost(config, 1000, 1).bytes - least == 4 * (2 + 3 + 3 + 3 - 5) * weights


def test_a_whole_net_costs_what_its_layers_cost():
    alexnet, vgg_a = (net_config(net) for net in NETS)
    timed = {shape.name: shape for shape in CONVS}
    convs = [timed[f"alexnet_one_column_conv{number}"] for number in range(1, 6)]
    linear = 2 * (256 * 6 * 6 * 4096 + 4096 * 4096 + 4096 * 1000)
    for direction, passes in (("forward", ["forward"]), ("both", ["forward", "backward"])):
        own = sum(cost(shape, each, 1, 4).flops for shape in convs for each in passes)
        assert net_cost(alexnet, 1000, 1, direction).flops == own + linear * (1, 3)[len(passes) - 1]
    # VGG-A has 7.6 billion multiply-adds an image (Simonyan and Zisserman: 133 million weights)
    assert net_cost(vgg_a, 1000, 1, "forward").flops == pytest.approx(2 * 7.61e9, rel=0.01)


def test_bf16_halves_what_moves_between_layers_and_not_the_weights():
    layer = TrainStep("cifar4", 32, 10, cpu_batch=1)
    nets = [step_config(layer, precision) for precision in ("ieee", "bf16")]
    weights = sum(w.numel() for w in models.blueprint(nets[0].model, 10, 32).parameters())
    full, half = (net_cost(net, 10, 1, "forward").bytes for net in nets)
    indices = 8 * 32 * 16 * 16  # of pool1, the only maximum pool
    assert half - 4 * weights - indices == (full - 4 * weights - indices) / 2


@pytest.mark.parametrize(
    ("columns", "prefix"), [("two_columns", ""), ("dense", "dense_"), ("one_column", "one_column_")]
)
def test_the_timed_convolutions_are_those_of_the_nets(columns, prefix):
    config = ModelConfig(name="alexnet", columns=columns)
    timed = {shape.name: shape for shape in ALEXNET}
    for name, layer in models.blueprint(config, 1000, 224).named_children():
        if isinstance(layer, nn.Conv2d):
            shape = timed.get(f"alexnet_{prefix}{name}") or timed[f"alexnet_{name}"]
            assert same(shape, layer)


def test_so_are_those_of_the_cifar_nets():
    for net in ("cifar4", "cifar_local"):
        layers = models.blueprint(ModelConfig(name=net), 10, 32).named_children()
        for name, layer in layers:
            if isinstance(layer, nn.Conv2d):
                (shape,) = (shape for shape in CIFAR if shape.name == f"{net}_{name}")
                assert same(shape, layer)


def same(shape, layer):
    own = (shape.in_channels, shape.out_channels, shape.kernel_size, shape.stride, shape.padding)
    there = (
        layer.in_channels,
        layer.out_channels,
        *(v[0] for v in (layer.kernel_size, layer.stride, layer.padding)),
    )
    return own == there and shape.groups == layer.groups


def test_names_are_unique_and_output_sides_are_torchs():
    everything = CONVS + NORMS + POOLS + STEPS + NETS
    assert len({shape.name for shape in everything}) == len(everything)
    for shape in CONVS:
        layer = nn.Conv2d(1, 1, shape.kernel_size, shape.stride, shape.padding, device="meta")
        y = layer(torch.empty(1, 1, shape.side, shape.side, device="meta"))
        assert y.shape[2] == shape.out_side
    for shape in POOLS:
        y = nn.MaxPool2d(3, 2, ceil_mode=True)(torch.empty(1, 1, shape.side, shape.side))
        assert y.shape[2] == shape.out_side
