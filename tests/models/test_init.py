"""Initial weights: their scale in each layer, and which of them two variants share."""

import pytest
import torch

from alexbench.config.schema import ModelConfig
from alexbench.models import build

SMALL = {
    "alexnet": ({"width": 0.1}, 67),
    "alexnet_small": ({"width": 0.1}, 16),
    "cifar4": ({"hidden_units": 64}, 16),
    "cifar_local": ({}, 12),
    "vgg_a": ({"width": 0.1}, 32),
}


def built(name, seed=0, **knobs):
    base, input_size = SMALL[name]
    return build(ModelConfig(name=name, **base | knobs), 10, input_size, seed)


def weights(net):
    return {n.split(".")[0]: p.detach() for n, p in net.named_parameters() if n.endswith("weight")}


def deviations(name, **knobs):
    """The standard deviation of each layer's weights, of layers with enough of them to tell."""
    found = weights(built(name, **knobs))
    return {layer: w.std().item() for layer, w in found.items() if w.numel() > 2000}


@pytest.mark.parametrize("name", list(SMALL))
def test_the_papers_weights_have_deviation_a_hundredth_everywhere(name):
    for sd in deviations(name, init="paper").values():
        assert sd == pytest.approx(0.01, rel=0.06)  # 4 sd of the smallest layer


RELEASED = {
    "alexnet": {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03},
    "alexnet_small": {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03},
    "cifar4": {"conv1": 1e-4, "fc4": 0.1, "fc5": 0.1},
    "cifar_local": {"conv1": 1e-4, "local3": 0.04, "local4": 0.04},
}


@pytest.mark.parametrize("name", list(RELEASED))
def test_as_run_the_weights_have_the_released_deviations(name):
    for layer, sd in deviations(name, init="as_run").items():
        assert sd == pytest.approx(RELEASED[name].get(layer, 0.01), rel=0.06)


def test_the_only_fc_layer_of_the_18_percent_recipe_has_a_hundredth():
    sd = weights(built("cifar4", init="as_run", hidden_units=0))["fc4"].std().item()
    assert sd == pytest.approx(0.01, rel=0.06)


@pytest.mark.parametrize(
    ("activation", "gain"), [("relu", 2**0.5), ("tanh", 5 / 3), ("scaled_tanh", 1)]
)
def test_fan_in_divides_the_gain_by_the_root_of_the_inputs(activation, gain):
    found = deviations("cifar_local", init="fan_in", activation=activation)
    assert found["conv2"] == pytest.approx(gain / (64 * 25) ** 0.5, rel=0.02)
    assert found["local4"] == pytest.approx(gain / (64 * 9) ** 0.5, rel=0.02)
    assert found["fc5"] == pytest.approx(1 / (32 * 9) ** 0.5, rel=0.06)  # logits have no activation


def test_the_inputs_of_a_split_layer_are_those_of_its_column():
    for columns, inputs in (("two_columns", 48 // 2), ("dense", 48)):
        found = deviations("alexnet_small", columns=columns, init="fan_in", width=0.5)
        assert found["conv2"] == pytest.approx((2 / (inputs * 25)) ** 0.5, rel=0.03)
    found = deviations("alexnet_small", columns="no_links", init="fan_in", width=0.5)
    assert found["fc6"] == pytest.approx((2 / (64 * 2 * 2)) ** 0.5, rel=0.01)


def test_fan_in_counts_the_inputs_that_dropout_lets_through():
    with_dropout, without = (
        deviations("alexnet_small", init="fan_in", dropout=dropout) for dropout in (0.75, 0.0)
    )
    for layer in with_dropout:
        expected = 2.0 if layer in ("fc7", "fc8") else 1.0
        assert with_dropout[layer] / without[layer] == pytest.approx(expected)


BIASED = {
    "alexnet": {"conv2", "conv4", "conv5", "fc6", "fc7"},
    "alexnet_small": {"conv2", "conv4", "conv5", "fc6", "fc7"},
    "cifar4": {"conv2", "conv3", "fc4"},
    "cifar_local": {"conv2", "local3", "local4"},
    "vgg_a": {f"conv{number}" for number in range(2, 9)} | {"fc9", "fc10"},
}


@pytest.mark.parametrize("name", list(SMALL))
@pytest.mark.parametrize("bias_init", [1.0, 0.5, 0.0])
def test_the_constant_stands_in_the_layers_that_the_paper_names(name, bias_init):
    for parameter, value in built(name, bias_init=bias_init).named_parameters():
        layer, _, kind = parameter.partition(".")
        if kind == "bias":
            expected = bias_init if layer in BIASED[name] else 0.0
            assert torch.equal(value, torch.full_like(value, expected)), parameter


def test_the_logits_of_cifar4_start_without_a_bias_with_and_without_a_hidden_layer():
    assert built("cifar4", hidden_units=0).fc4.bias.abs().max() == 0
    assert built("cifar4", hidden_units=64).fc5.bias.abs().max() == 0


@pytest.mark.parametrize("name", list(SMALL))
def test_variants_of_one_seed_are_one_draw_times_another_deviation(name):
    one, other = weights(built(name, init="paper")), weights(built(name, init="fan_in"))
    for layer in one:
        ratio = other[layer].std() / one[layer].std()
        torch.testing.assert_close(other[layer], one[layer] * ratio, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "knobs",
    [
        {"activation": "tanh"},
        {"lrn": "none"},
        {"pooling": "non_overlapping"},
        {"dropout": 0.0},  # under the paper's init; fan_in counts what dropout keeps
        {"bias_init": 0.0},
        {"columns": "dense"},
        {"columns": "no_links"},
        {"columns": "one_column"},
    ],
)
def test_variants_of_one_seed_share_the_draws_of_equal_layers(knobs):
    baseline, variant = weights(built("alexnet_small")), weights(built("alexnet_small", **knobs))
    same_shape = [n for n in baseline if baseline[n].shape == variant[n].shape]
    assert "fc8" in same_shape
    assert len(same_shape) == len(baseline) or "columns" in knobs
    for layer in same_shape:
        assert torch.equal(baseline[layer], variant[layer])


def test_another_seed_and_another_layer_draw_other_weights():
    first, second = weights(built("alexnet_small", seed=0)), weights(built("alexnet_small", seed=1))
    assert not any(torch.equal(first[layer], second[layer]) for layer in first)
    # fc6 and fc7 do not start with the same numbers
    assert not torch.equal(first["fc6"].flatten()[:100], first["fc7"].flatten()[:100])


@pytest.mark.parametrize("name", list(SMALL))
def test_building_leaves_the_global_random_state_alone(name):
    before = torch.random.get_rng_state()
    built(name)
    assert torch.equal(before, torch.random.get_rng_state())


def test_released_sds_are_for_raw_pixels_so_conv1_starts_as_much_larger_as_inputs_are_divided():
    for init in ("paper", "as_run", "fan_in"):
        model = ModelConfig(name="cifar4", init=init)
        raw, divided = build(model, 10, 32, 0), build(model, 10, 32, 0, input_scale=64.0)
        factor = 1 if init == "fan_in" else 64
        torch.testing.assert_close(divided.conv1.weight, factor * raw.conv1.weight)
        torch.testing.assert_close(divided.conv2.weight, raw.conv2.weight)
