"""A knob reaches every layer that it should, in every net: the built net is walked to see it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from alexbench.config.schema import ModelConfig
from alexbench.kernels import rectifies_too
from alexbench.models import blueprint, build
from alexbench.models.layers import Dropout, Gain, LocalResponseNorm, ScaledTanh, WithinMapNorm
from tests.operators import Operators

SMALL = {
    "alexnet": {"width": 0.02},
    "alexnet_small": {"width": 0.02},
    "cifar4": {"width": 0.1, "hidden_units": 40},
    "cifar_local": {"width": 0.1},
}
INPUT_SIZE = {"alexnet": 36, "alexnet_small": 16, "cifar4": 16, "cifar_local": 8}
WEIGHTED = ("conv", "local", "fc")
NETS = list(SMALL)


def model_config(name, **knobs):
    return ModelConfig(name=name, **SMALL[name] | knobs)


def walk(name, **knobs):
    """The layers of a net by name, in forward order; a Sequential, so nothing else runs."""
    net = blueprint(model_config(name, **knobs), num_classes=3, input_size=INPUT_SIZE[name])
    assert type(net) is nn.Sequential
    return dict(net.named_children())


def of_type(layers, kind):
    return [name for name, layer in layers.items() if isinstance(layer, kind)]


def named(layers, *beginnings):
    return [name for name in layers if name.startswith(beginnings)]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("scaled_tanh", ScaledTanh)]
)
def test_every_layer_but_the_last_has_the_activation_and_no_other(name, activation, kind):
    layers = walk(name, activation=activation)
    numbers = [layer[-1] for layer in named(layers, *WEIGHTED)]
    assert of_type(layers, kind) == [f"activation{number}" for number in numbers[:-1]]
    assert of_type(layers, (nn.ReLU, nn.Tanh, ScaledTanh)) == of_type(layers, kind)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("lrn", "norms", "gains"),
    [
        ("none", [], []),
        ("conv1", ["lrn1"], []),
        ("conv2", ["lrn2"], []),
        ("both", ["lrn1", "lrn2"], []),
        ("gain_only", [], ["gain1", "gain2"]),
    ],
)
def test_lrn_stands_where_it_is_asked_for(name, lrn, norms, gains):
    layers = walk(name, lrn=lrn)
    assert of_type(layers, LocalResponseNorm) == norms
    assert of_type(layers, Gain) == gains


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("reading", "alpha"), [("paper", 0.03), ("as_run", 0.01)])
def test_the_constants_reach_both_lrn_layers(name, reading, alpha):
    knobs = {"lrn_size": 3, "lrn_alpha": 0.01, "lrn_beta": 0.5, "lrn_k": 4.0}
    layers = walk(name, lrn_alpha_reading=reading, **knobs)
    for lrn in (layers["lrn1"], layers["lrn2"]):
        assert (lrn.size, lrn.alpha, lrn.beta, lrn.k) == (3, pytest.approx(alpha), 0.5, 4.0)
    gains = walk(name, lrn="gain_only", **knobs)
    assert gains["gain1"].factor == gains["gain2"].factor == 0.5


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("pooling", "size"), [("overlapping", (3, 2, True)), ("non_overlapping", (2, 2, False))]
)
def test_pooling_reaches_every_pool(name, pooling, size):
    layers = walk(name, pooling=pooling)
    pools = of_type(layers, (nn.MaxPool2d, nn.AvgPool2d))
    assert len(pools) == (2 if name == "cifar_local" else 3)
    for pool in pools:
        pool = layers[pool]
        assert (pool.kernel_size, pool.stride, pool.ceil_mode) == size
    assert of_type(layers, nn.AvgPool2d) == (["pool2", "pool3"] if name == "cifar4" else [])


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("alexnet", ["dropout6", "dropout7"]),
        ("alexnet_small", ["dropout6", "dropout7"]),
        ("cifar4", ["dropout4"]),
        ("cifar_local", []),
    ],
)
def test_dropout_follows_the_hidden_fully_connected_layers(name, places):
    layers = walk(name, dropout=0.3)
    assert of_type(layers, Dropout) == places
    assert all(layers[place].p == 0.3 for place in places)
    order = list(layers)
    assert all(order[order.index(place) - 1] == f"activation{place[-1]}" for place in places)
    assert named(walk(name, dropout=0.0), "dropout") == []


def test_cifar4_without_a_hidden_layer_has_no_dropout():
    assert named(walk("cifar4", hidden_units=0), "dropout") == []


AFTER_RELU = {
    "conv1": ["conv1", "activation1", "lrn1", "pool1"],
    "conv2": ["conv2", "activation2", "lrn2", "pool2"],
}
BEFORE_RELU = {  # max pooling and an increasing activation commute
    "conv1": ["conv1", "lrn1", "pool1", "activation1"],
    "conv2": ["conv2", "lrn2", "pool2", "activation2"],
}
AFTER_POOL = {
    "conv1": ["conv1", "pool1", "activation1", "lrn1"],
    "conv2": ["conv2", "pool2", "activation2", "lrn2"],
}


def stages(layers):
    """The names of the first two stages."""
    found = {}
    for number in "12":
        found[f"conv{number}"] = [name for name in layers if name.endswith(number)]
    return found


@pytest.mark.parametrize("name", ["alexnet", "alexnet_small", "cifar_local"])
@pytest.mark.parametrize(
    ("order", "expected"),
    [("after_relu", AFTER_RELU), ("before_relu", BEFORE_RELU), ("after_pool", AFTER_POOL)],
)
def test_lrn_order_places_both_norms(name, order, expected):
    assert stages(walk(name, lrn_order=order)) == expected


def test_the_order_of_cifar4_differs_only_where_a_mean_does_not_commute():
    before = stages(walk("cifar4", lrn_order="before_relu"))
    after = stages(walk("cifar4", lrn_order="after_pool"))
    assert before["conv1"] == BEFORE_RELU["conv1"]
    assert before["conv2"] == ["conv2", "lrn2", "activation2", "pool2"]
    assert after["conv1"] == AFTER_POOL["conv1"]
    assert after["conv2"] == ["conv2", "activation2", "pool2", "lrn2"]


@pytest.mark.parametrize(
    ("name", "conv1", "conv2"),
    [
        ("alexnet", BEFORE_RELU, AFTER_RELU),  # layers-145.cfg
        ("alexnet_small", BEFORE_RELU, AFTER_RELU),
        ("cifar_local", AFTER_POOL, AFTER_RELU),  # the 11% recipe
    ],
)
def test_as_run_normalizes_where_the_released_net_of_that_name_does(name, conv1, conv2):
    layers = walk(name, lrn_order="as_run")
    assert stages(layers) == {"conv1": conv1["conv1"], "conv2": conv2["conv2"]}


def test_as_run_the_eighteen_percent_recipe_normalizes_within_maps_after_both_pools():
    layers = walk("cifar4", lrn_order="as_run", lrn="none", within_map_norm=True)
    assert stages(layers) == {
        "conv1": ["conv1", "pool1", "activation1", "within_map1"],
        "conv2": ["conv2", "activation2", "pool2", "within_map2"],
    }
    for number in "12":
        norm = layers[f"within_map{number}"]
        assert (norm.size, norm.scale) == (3, 5e-5)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_small"])
def test_as_run_the_2012_net_normalizes_within_the_maps_of_conv2_after_its_lrn(name):
    layers = walk(name, form="as_run")
    assert stages(layers)["conv2"] == ["conv2", "activation2", "lrn2", "within_map2", "pool2"]
    assert (layers["within_map2"].size, layers["within_map2"].scale) == (5, 1e-3)
    assert of_type(layers, WithinMapNorm) == ["within_map2"]
    assert named(walk(name), "within_map") == []


@pytest.mark.parametrize("lrn_order", ["after_relu", "after_pool", "before_relu"])
def test_where_one_pass_does_both_a_relu_leaves_its_work_to_the_norm_after_it(lrn_order):
    model = model_config("cifar4", lrn_order=lrn_order, dropout=0.0)
    net = build(model, 3, INPUT_SIZE["cifar4"], seed=0)
    apart = nn.Sequential()
    for layer in net.children():
        if isinstance(layer, LocalResponseNorm):
            layer = LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k, layer.columns)
        apart.append(nn.ReLU() if isinstance(layer, nn.ReLU) else layer)
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    gradients, relus = [], []
    for each in (net, apart):
        net.zero_grad()
        called = []
        with Operators(lambda name, *_, called=called: called.append(name)):
            each(x).square().sum().backward()
        gradients.append([weight.grad.clone() for weight in net.parameters()])
        relus.append(called.count("aten::relu") + called.count("aten::relu_"))
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)
    before_norms = {"after_relu": 2, "after_pool": 1, "before_relu": 0}[lrn_order]
    assert relus == [4 - before_norms * rectifies_too(x.device), 4]


def reference(net, model, x):
    """The first two stages of alexnet_small as sentences say them: nothing commuted."""
    phi = {"relu": torch.relu, "tanh": torch.tanh}[model.activation]
    order = model.lrn_order
    layers = dict(net.named_children())
    for number in "12":
        conv = layers[f"conv{number}"]
        lrn = layers.get(f"lrn{number}", layers.get(f"gain{number}", nn.Identity()))
        x = F.conv2d(x, conv.weight, conv.bias, padding=2, groups=conv.groups)
        before = order == "before_relu" or (order == "as_run" and number == "1")
        x = phi(lrn(x)) if before else phi(x) if order == "after_pool" else lrn(phi(x))
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = lrn(x) if order == "after_pool" else x
    return x


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("lrn", "order"),
    [
        ("none", "after_relu"),
        ("both", "after_relu"),
        ("both", "before_relu"),
        ("both", "after_pool"),
        ("both", "as_run"),
        ("gain_only", "before_relu"),
    ],
)
def test_moving_the_activation_behind_a_max_pool_changes_no_output_and_no_gradient(
    activation, lrn, order
):
    model = model_config(
        "alexnet_small",
        width=0.1,
        activation=activation,
        lrn=lrn,
        lrn_order=order,
        lrn_alpha=0.1,
        init="fan_in",
    )
    net = build(model, num_classes=3, input_size=16, seed=0).double()
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    two_stages = net[: [name for name, _ in net.named_children()].index("conv3")]
    y, expected = two_stages(x), reference(net, model, x)
    torch.testing.assert_close(y, expected)
    gradient, expected = (
        torch.autograd.grad((out**2).sum(), net.conv1.weight) for out in (y, expected)
    )
    torch.testing.assert_close(gradient, expected)
