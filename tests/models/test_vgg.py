"""VGG A to E against the paper's counts and against torchvision's nets, layer by layer."""

import pytest
import torch
import torchvision
from torch import nn

from alexbench.config.constraints import VGG_CONVS
from alexbench.config.schema import ModelConfig
from alexbench.models import blueprint, count
from alexbench.models.layers import LocalResponseNorm
from tests.models.sizes import layer_sizes


def vgg(name, **knobs):
    paper = {"lrn": "none", "pooling": "non_overlapping"}
    return blueprint(ModelConfig(name=name, **paper | knobs), num_classes=1000, input_size=224)


def layers(net):
    """What computes or pools, in forward order, in numbers."""
    found = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            shape = tuple(layer.weight.shape)
            found.append(("conv", shape, layer.stride, layer.padding, layer.groups))
        elif isinstance(layer, nn.MaxPool2d):
            found.append(("pool", layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode))
        elif isinstance(layer, nn.Linear):
            found.append(("fc", tuple(layer.weight.shape)))
        elif isinstance(layer, nn.ReLU | nn.Dropout) or type(layer).__name__ == "Dropout":
            found.append((type(layer).__name__,))
    return found


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [
        ("vgg_a", 132_863_336, 133),
        ("vgg_b", 133_047_848, 133),
        ("vgg_c", 133_638_952, 134),
        ("vgg_d", 138_357_544, 138),
        ("vgg_e", 143_667_240, 144),
    ],
)
def test_the_parameters_are_those_of_table_2(name, parameters, millions):
    assert count(vgg(name), 224)[0] == parameters
    assert round(parameters / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("vgg_a", "vgg11"), ("vgg_b", "vgg13"), ("vgg_d", "vgg16"), ("vgg_e", "vgg19")],
)
def test_every_layer_is_torchvisions_where_both_have_the_net(name, theirs):
    with torch.device("meta"):
        reference = torchvision.models.get_model(theirs)
    ours, expected = layers(vgg(name)), layers(reference)
    # ours pools before the ReLU, which commutes: so the ReLUs are counted alone
    assert ours.count(("ReLU",)) == expected.count(("ReLU",))
    assert [x for x in ours if x != ("ReLU",)] == [x for x in expected if x != ("ReLU",)]


def test_c_is_d_with_the_third_convolution_of_a_block_1x1():
    convs = [layer[1][2] for layer in layers(vgg("vgg_c")) if layer[0] == "conv"]
    assert convs == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]
    sizes = [layer_sizes(vgg(name), 224) for name in ("vgg_c", "vgg_d")]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(("name", "convs"), list(VGG_CONVS.items()))
def test_depth_is_the_convolutions_and_three_fc_layers(name, convs):
    depth = {"vgg_a": 11, "vgg_b": 13, "vgg_c": 16, "vgg_d": 16, "vgg_e": 19}
    assert convs + 3 == depth[name]
    kinds = [layer[0] for layer in layers(vgg(name))]
    assert (kinds.count("conv"), kinds.count("fc"), kinds.count("pool")) == (convs, 3, 5)


def test_a_lrn_is_a_with_one_norm_after_the_first_relu():
    names = [name for name, _ in vgg("vgg_a", lrn="conv1").named_children()]
    assert names[:5] == ["conv1", "activation1", "lrn1", "pool1", "conv2"]
    norms = [layer for layer in vgg("vgg_a", lrn="conv1") if isinstance(layer, LocalResponseNorm)]
    assert len(norms) == 1
    assert (norms[0].size, norms[0].alpha, norms[0].k) == (5, 5e-4, 2.0)


def test_maps_have_half_the_side_after_each_pool():
    sides = [size[1] for name, size in layer_sizes(vgg("vgg_d"), 224) if name.startswith("pool")]
    assert sides == [112, 56, 28, 14, 7]
