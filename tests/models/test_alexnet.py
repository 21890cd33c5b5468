"""The two columns: what each of them sees, against two nets written side by side."""

import pytest
import torch
import torch.nn.functional as F

from alexbench.config.schema import ModelConfig
from alexbench.models import blueprint, build
from tests.models.sizes import layer_sizes

COLUMNS = ["two_columns", "one_column", "no_links", "dense"]
KNOBS = {"name": "alexnet_small", "width": 0.06, "init": "fan_in"}


def small(columns, **knobs):
    model = ModelConfig(columns=columns, **KNOBS | knobs)
    return build(model, num_classes=5, input_size=16, seed=0).double()


def images(count=4, side=16):
    stream = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, side, side, generator=stream, dtype=torch.float64)


def plain_lrn(x, alpha=1e-4, k=2.0, beta=0.75):
    """The formula of section 3.3, kernel by kernel."""
    kernels = x.shape[1]
    sums = [
        (x[:, max(0, i - 2) : min(kernels - 1, i + 2) + 1] ** 2).sum(dim=1) for i in range(kernels)
    ]
    return x / (k + alpha * torch.stack(sums, dim=1)) ** beta


def shares(layer):
    """Column a's and column b's rows of a layer's weight and bias."""
    return list(zip(layer.weight.chunk(2), layer.bias.chunk(2), strict=True))


def two_device_forward(net, x, alpha):
    """Section 3.5 with two devices and explicit exchanges, for testing (dropout halves)."""

    def conv(layer, inputs, padding):
        pairs = zip(inputs, shares(layer), strict=True)
        return [F.relu(F.conv2d(x, w, b, padding=padding)) for x, (w, b) in pairs]

    def pool(columns):
        return [F.max_pool2d(x, 3, 2, ceil_mode=True) for x in columns]

    def linear(layer, inputs):
        pairs = zip(inputs, shares(layer), strict=True)
        return [F.relu(F.linear(x, w, b)) * 0.5 for x, (w, b) in pairs]

    def exchange(columns):
        return [torch.cat(columns, dim=1)] * 2

    a_b = pool([plain_lrn(x, alpha) for x in conv(net.conv1, [x, x], 2)])
    a_b = pool([plain_lrn(x, alpha) for x in conv(net.conv2, a_b, 2)])
    a_b = conv(net.conv3, exchange(a_b), 1)
    a_b = pool(conv(net.conv5, conv(net.conv4, a_b, 1), 1))
    a_b = linear(net.fc6, exchange([x.flatten(1) for x in a_b]))
    a_b = linear(net.fc7, exchange(a_b))
    return F.linear(torch.cat(a_b, dim=1), net.fc8.weight, net.fc8.bias)


def test_the_grouped_net_is_two_columns_that_meet_at_conv3_and_the_fc_layers():
    net = small("two_columns", lrn_alpha=0.1).eval()
    torch.testing.assert_close(net(images()), two_device_forward(net, images(), alpha=0.1))


@pytest.mark.parametrize(
    ("columns", "split"),
    [
        ("two_columns", {"conv2", "conv4", "conv5"}),
        ("one_column", set()),
        ("no_links", {"conv2", "conv3", "conv4", "conv5", "fc6", "fc7"}),
        ("dense", set()),
    ],
)
@pytest.mark.parametrize("name", ["alexnet", "alexnet_small"])
def test_each_form_splits_its_own_layers_and_no_other(name, columns, split):
    net = blueprint(ModelConfig(name=name, columns=columns), num_classes=1000, input_size=224)
    found = {
        layer
        for layer, module in net.named_children()
        if getattr(module, "groups", getattr(module, "columns", 1)) == 2 and "lrn" not in layer
    }
    assert found == split
    assert net.lrn1.columns == net.lrn2.columns == (2 if split else 1)


@pytest.mark.parametrize(
    ("columns", "widths"),
    [
        ("two_columns", [96, 256, 384, 384, 256, 4096, 4096, 1000]),
        ("one_column", [48, 128, 192, 192, 256, 4096, 4096, 1000]),
        ("no_links", [96, 320, 384, 384, 256, 8192, 4096, 1000]),
        ("dense", [96, 256, 384, 384, 256, 4096, 4096, 1000]),
    ],
)
@pytest.mark.parametrize("name", ["alexnet", "alexnet_small"])
def test_the_kernels_are_those_of_the_paper(name, columns, widths):
    net = blueprint(ModelConfig(name=name, columns=columns), num_classes=1000, input_size=224)
    found = {n: p.shape[0] for n, p in net.named_parameters() if n.endswith("bias")}
    assert list(found.values()) == widths
    assert list(found) == [
        f"{layer}.bias" for layer in "conv1 conv2 conv3 conv4 conv5 fc6 fc7 fc8".split()
    ]


def test_width_scales_the_kernels_of_each_column():
    model = ModelConfig(name="alexnet_small", width=0.1)
    net = blueprint(model, num_classes=26, input_size=32)
    rows = [p.shape[0] for n, p in net.named_parameters() if n.endswith("bias")]
    assert rows == [2 * 5, 2 * 13, 2 * 19, 2 * 19, 2 * 13, 2 * 205, 2 * 205, 26]


@pytest.mark.parametrize("columns", ["two_columns", "no_links"])
def test_lrn_lets_no_kernel_of_one_column_touch_the_other(columns):
    lrn = small(columns, lrn_alpha=10.0).lrn1
    x = images(1).repeat(1, 2, 1, 1)
    louder = x.clone()
    louder[:, 3:] *= 7
    assert torch.equal(lrn(x)[:, :3], lrn(louder)[:, :3])


@pytest.mark.parametrize("columns", ["one_column", "dense"])
def test_without_columns_lrn_has_one_window_over_all_kernels(columns):
    lrn = small(columns, lrn_alpha=10.0).lrn1
    x = images(1).repeat(1, 2, 1, 1)
    louder = x.clone()
    louder[:, 3:] *= 7
    assert not torch.equal(lrn(x)[:, 2], lrn(louder)[:, 2])


def gradients_of_column_b(net):
    """Mean gradient on each column's conv1 of what fc7 computes in column b, before fc8."""
    until_fc7 = net.eval()[: [name for name, _ in net.named_children()].index("activation7") + 1]
    column_b = until_fc7(images()).chunk(2, dim=1)[1]
    (gradient,) = torch.autograd.grad(column_b.sum(), net.conv1.weight)
    return [share.abs().mean().item() for share in gradient.chunk(2)]


def test_without_links_no_gradient_passes_between_the_columns_before_fc8():
    on_a, on_b = gradients_of_column_b(small("no_links"))
    assert on_a == 0
    assert on_b > 0


def test_with_links_it_does():
    on_a, on_b = gradients_of_column_b(small("two_columns"))
    assert on_a > 0
    assert on_b > 0


def test_fc8_sees_both_columns_even_without_links():
    net = small("no_links").eval()
    (gradient,) = torch.autograd.grad(net(images()).square().sum(), net.conv1.weight)
    assert all(share.abs().sum() > 0 for share in gradient.chunk(2))


def sizes(name="alexnet", input_size=224, **knobs):
    model = ModelConfig(name=name, **knobs)
    return dict(layer_sizes(blueprint(model, num_classes=10, input_size=input_size), input_size))


@pytest.mark.parametrize("removed", ["conv2", "conv3", "conv4", "conv5"])
def test_a_removed_layer_goes_with_its_activation_and_norm_and_leaves_its_pool(removed):
    number = removed[-1]
    whole, without = sizes(), sizes(removed_layer=removed)
    gone = {removed, f"activation{number}", *(["lrn2"] if removed == "conv2" else [])}
    assert set(whole) - set(without) == gone
    assert {name: size[1:] for name, size in without.items()} == {
        name: size[1:] for name, size in whole.items() if name not in gone
    }


@pytest.mark.parametrize(
    ("removed", "changed"),
    [
        ("conv2", {"conv3": (384, 96, 3, 3)}),
        ("conv3", {"conv4": (384, 256, 3, 3)}),  # sees both columns in place of conv3
        ("conv4", {}),
        ("conv5", {"fc6": (4096, 384 * 36)}),
    ],
)
def test_only_the_inputs_of_the_next_layer_change_without_a_layer(removed, changed):
    nets = [blueprint(ModelConfig(removed_layer=name), 1000, 224) for name in ("none", removed)]
    whole, without = ({n: p.shape for n, p in net.named_parameters()} for net in nets)
    for name, shape in without.items():
        expected = changed.get(name.removesuffix(".weight"), whole[name])
        assert tuple(shape) == tuple(expected), name


def test_no_convolution_in_the_middle_holds_more_than_one_and_a_half_percent():
    net = blueprint(ModelConfig(), 1000, 224)
    total = sum(p.numel() for p in net.parameters())
    shares = {n: 100 * net.get_parameter(f"{n}.weight").numel() / total for n in ("conv3", "conv4")}
    assert shares["conv3"] == pytest.approx(1.45, abs=0.01)  # the paper says no more than 1%
    assert shares["conv4"] == pytest.approx(1.09, abs=0.01)


def test_columns_that_never_meet_do_not_meet_at_conv4_either():
    net = blueprint(ModelConfig(columns="no_links", removed_layer="conv3"), 1000, 224)
    assert net.conv4.groups == 2


def test_rounded_down_the_library_has_smaller_maps_and_1024_features_at_128_pixels():
    down = sizes(rounding="down")
    assert [down[name][1] for name in ("conv1", "pool1", "pool2", "pool5")] == [54, 26, 12, 5]
    assert "pad" not in down
    assert sizes(input_size=128, rounding="down")["flatten"] == (1024,)
    assert sizes(input_size=227, rounding="down")["pool5"][1] == 6
    small = sizes("alexnet_small", 32, rounding="down")
    assert [small[name][1] for name in ("pool1", "pool2", "pool5")] == [15, 7, 3]


def test_an_adaptive_pool_gives_fc6_the_same_inputs_whatever_the_image():
    for input_size in (128, 224):
        assert sizes(input_size=input_size, adaptive_pool=6)["flatten"] == (256 * 36,)
    net = small("dense", adaptive_pool=3)
    assert type(net.adaptive_pool) is torch.nn.AdaptiveAvgPool2d


def test_dropout_can_stand_before_fc6_and_fc7():
    names = list(sizes(dropout_place="layer_inputs"))
    assert names[names.index("fc6") - 1] == "dropout5"
    assert names[names.index("fc7") - 1] == "dropout6"
    assert "dropout7" not in names


@pytest.mark.parametrize("name", ["alexnet", "cifar4", "vgg_a"])
def test_a_net_can_resize_its_inputs_itself(name):
    resized = blueprint(ModelConfig(name=name, resize=72), num_classes=10, input_size=24)
    plain = blueprint(ModelConfig(name=name), num_classes=10, input_size=72)
    assert dict(layer_sizes(resized, 24)).pop("resize") == (3, 72, 72)
    assert layer_sizes(resized, 24)[1:] == layer_sizes(plain, 72)


def test_resizing_is_bilinear():
    net = build(ModelConfig(resize=72, width=0.02, init="fan_in"), 3, input_size=24, seed=0).eval()
    x = images(side=24).float()
    y = F.interpolate(x, size=(72, 72), mode="bilinear")
    torch.testing.assert_close(net(x), net[1:](y))
