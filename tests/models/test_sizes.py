"""Parameters, FLOPs and map sizes against the released nets."""

import pytest
import torch

from alexbench.config.schema import ModelConfig
from alexbench.models import blueprint, build, count
from tests.models.sizes import layer_sizes

# multiply-adds of one image by hand: outputs x inputs of one output
TWO_COLUMNS = (
    96 * 55**2 * 3 * 11**2
    + 256 * 27**2 * 48 * 5**2
    + 384 * 13**2 * 256 * 3**2
    + 384 * 13**2 * 192 * 3**2
    + 256 * 13**2 * 192 * 3**2
    + 9216 * 4096
    + 4096 * 4096
    + 4096 * 1000
)


@pytest.mark.parametrize(
    ("columns", "parameters"),
    [
        ("two_columns", 60_965_224),  # layers-145.cfg
        ("one_column", 59_798_312),  # 145-half, 59.80M in the notebook
        ("no_links", 60_714_408),  # 150, 60.71M
        ("dense", 62_378_344),
    ],
)
def test_the_2012_nets_have_the_released_number_of_parameters(columns, parameters):
    net = blueprint(ModelConfig(columns=columns), num_classes=1000, input_size=224)
    assert count(net, input_size=224)[0] == parameters


@pytest.mark.parametrize(
    ("knobs", "input_size", "parameters"),
    [
        ({"name": "cifar4"}, 32, 89_578),  # 18% and 19%
        ({"name": "cifar4", "hidden_units": 64}, 32, 145_578),  # 26%
        ({"name": "cifar_local", "local_kernels": 32}, 24, 1_116_490),  # 13%
        ({"name": "cifar_local", "local_kernels": 64}, 24, 2_112_970),  # 11%
    ],
)
def test_the_cifar_recipes_have_the_released_number_of_parameters(knobs, input_size, parameters):
    net = blueprint(ModelConfig(**knobs), num_classes=10, input_size=input_size)
    assert count(net, input_size)[0] == parameters


def test_flops_are_twice_the_multiply_adds_of_one_image():
    net = blueprint(ModelConfig(), num_classes=1000, input_size=224)
    assert count(net, input_size=224)[1] == 2 * TWO_COLUMNS


def test_normalization_adds_neither_parameters_nor_flops():
    plain = ModelConfig(name="alexnet_small", width=0.1, lrn="none")
    normed = ModelConfig(name="alexnet_small", width=0.1, form="as_run")
    counts = {count(blueprint(model, 10, 32), 32) for model in (plain, normed)}
    assert len(counts) == 1


def test_counting_a_built_net_gives_what_its_blueprint_gives_and_leaves_it_training():
    model = ModelConfig(name="alexnet_small", width=0.1)
    net = build(model, num_classes=10, input_size=32, seed=0)
    assert count(net, 32) == count(blueprint(model, 10, 32), 32)
    assert net.training


def test_the_sizes_of_a_net_in_float64_are_found_too():
    net = build(ModelConfig(name="cifar4", width=0.1), 10, 32, seed=0).double()
    assert layer_sizes(net, 32)[-1] == ("fc4", (10,))


def sides(model, input_size):
    """The side of the maps after each convolution, local layer and pool."""
    sizes = layer_sizes(blueprint(model, 10, input_size), input_size)
    return {name: size[1] for name, size in sizes if name[:4] in ("conv", "pool", "loca")}


def test_the_2012_net_has_maps_of_55_27_13_and_6():
    assert sides(ModelConfig(), 224) == {
        "conv1": 55,
        "pool1": 27,
        "conv2": 27,
        "pool2": 13,
        "conv3": 13,
        "conv4": 13,
        "conv5": 13,
        "pool5": 6,
    }


@pytest.mark.parametrize(("input_size", "conv1"), [(223, 54), (224, 55), (227, 55), (228, 56)])
def test_convolution_sizes_are_rounded_up(input_size, conv1):
    assert sides(ModelConfig(), input_size)["conv1"] == conv1


@pytest.mark.parametrize(
    ("model", "input_size", "pools"),
    [
        (ModelConfig(name="cifar4"), 32, {"pool1": 16, "pool2": 8, "pool3": 4}),
        (ModelConfig(name="cifar_local"), 24, {"pool1": 12, "pool2": 6}),
        (ModelConfig(name="alexnet_small"), 32, {"pool1": 16, "pool2": 8, "pool5": 4}),
        (ModelConfig(name="alexnet_small"), 28, {"pool1": 14, "pool2": 7, "pool5": 3}),
    ],
)
def test_small_nets_have_the_released_ceil_sizes(model, input_size, pools):
    found = sides(model, input_size)
    assert {name: side for name, side in found.items() if "pool" in name} == pools


@pytest.mark.parametrize(
    ("name", "input_sizes"),
    [
        ("alexnet", (36, 127, 224)),
        ("alexnet_small", (8, 24, 28, 31, 32, 47, 64)),
        ("cifar4", (8, 24, 31, 32)),
        ("cifar_local", (4, 23, 24, 32)),
    ],
)
def test_both_poolings_give_every_layer_the_same_size(name, input_sizes):
    for input_size in input_sizes:
        overlapping, non_overlapping = (
            layer_sizes(
                blueprint(ModelConfig(name=name, pooling=pooling), 10, input_size), input_size
            )
            for pooling in ("overlapping", "non_overlapping")
        )
        assert overlapping == non_overlapping


def test_photographs_are_padded_with_three_zeros_at_the_right_and_bottom_only():
    net = build(ModelConfig(width=0.05), num_classes=3, input_size=224, seed=0)
    torch.nn.init.ones_(net.conv1.weight)
    y = net.conv1(net.pad(torch.ones(1, 3, 224, 224)))[0, 0]
    assert y[0, 0] == 3 * 11 * 11
    assert y[0, 54] == y[54, 0] == 3 * 11 * 8  # the last window reads pixels 216 to 223
    assert y[54, 54] == 3 * 8 * 8
    assert y[53, 53] == 3 * 11 * 11
