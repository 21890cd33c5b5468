"""A knob that a net does not have is refused; one that does nothing makes no second net."""

from typing import get_args

import pytest

from alexbench.config.constraints import effective, layer_names, too_small, unsupported
from alexbench.config.overrides import Layer, resolve
from alexbench.config.schema import Config, ModelConfig, TrainConfig
from alexbench.models import blueprint

SHIPPED, _ = get_args(ModelConfig.model_fields["name"].annotation)  # or a part of one's own
NETS = get_args(SHIPPED)


@pytest.mark.parametrize("name", NETS)
def test_every_net_takes_the_defaults(name):
    assert unsupported(ModelConfig(name=name)) is None


@pytest.mark.parametrize(
    ("name", "knob", "value"),
    [
        ("cifar4", "columns", "one_column"),
        ("cifar_local", "columns", "dense"),
        ("alexnet", "hidden_units", 64),
        ("cifar_local", "hidden_units", 64),
        ("cifar4", "local_kernels", 32),
        ("alexnet_small", "local_kernels", 32),
        ("cifar_local", "within_map_norm", True),
        ("cifar4", "dropout", 0.3),
        ("cifar_local", "dropout", 0.3),
        ("cifar4", "removed_layer", "conv2"),
        ("vgg_a", "removed_layer", "conv2"),
        ("vgg_d", "columns", "dense"),
        ("cifar4", "rounding", "down"),
        ("cifar_local", "adaptive_pool", 6),
        ("vgg_a", "dropout_place", "layer_inputs"),
    ],
)
def test_a_knob_that_the_net_lacks_is_refused_in_one_line_that_names_both(name, knob, value):
    reason = unsupported(ModelConfig(name=name, **{knob: value}))
    assert reason is not None
    assert "\n" not in reason
    assert reason.startswith(f"model.{knob} is {value}, but {name} ")


def test_a_hidden_layer_gives_cifar4_its_dropout():
    assert unsupported(ModelConfig(name="cifar4", hidden_units=64, dropout=0.3)) is None


def test_the_18_percent_recipe_has_a_norm_within_maps():
    assert unsupported(ModelConfig(name="cifar4", within_map_norm=True)) is None


def test_no_dropout_is_true_of_a_net_without_it():
    assert unsupported(ModelConfig(name="cifar_local", dropout=0.0)) is None


@pytest.mark.parametrize(
    ("name", "least"),
    [("alexnet", 36), ("alexnet_small", 8), ("cifar4", 8), ("cifar_local", 4), ("vgg_c", 32)],
)
def test_an_input_that_would_vanish_is_refused(name, least):
    model = ModelConfig(name=name)
    assert too_small(model, least) is None
    assert f"at least {least} pixels" in (too_small(model, least - 1) or "")


def test_knobs_that_do_nothing_do_not_make_another_net():
    def alike(first: dict[str, object], second: dict[str, object]) -> bool:
        """Whether the configurations that differ from the paper's in these keys are one run."""
        one, two = (resolve([Layer("a test", values)]) for values in (first, second))
        assert one != two
        return effective(one) == effective(two)

    none, gain = {"model.lrn": "none"}, {"model.lrn": "gain_only"}
    assert alike(none, none | {"model.lrn_k": 1.0, "model.lrn_order": "after_pool"})
    assert not alike(none, gain)
    assert alike(gain, gain | {"model.lrn_alpha": 1.0})
    assert not alike(gain, gain | {"model.lrn_k": 1.0})
    assert not alike({}, {"model.lrn_k": 1.0})
    cifar4 = {"model.name": "cifar4"}
    assert alike(cifar4, cifar4 | {"model.dropout": 0.0})
    assert alike({}, {"train.stairs": 9, "train.lr_drop_epochs": [3]})  # of other schedules
    assert not alike({}, {"train.plateau_patience": 3})
    assert not alike({}, {"train.lr_drop_factor": 3.0})
    assert alike(
        {"augment.pca_colour": "none"}, {"augment.pca_colour": "none", "augment.pca_sd": 1.0}
    )
    assert not alike({}, {"augment.pca_sd": 1.0})
    assert alike({}, {"train.target_pass": "running"})
    target = {"train.target_train_error": 25.0}
    assert not alike(target, target | {"train.target_pass": "running"})
    assert alike({}, {"evaluate.saturation_images": 500})  # no ReLU saturates
    tanh = {"model.activation": "tanh"}
    assert not alike(tanh, tanh | {"evaluate.saturation_images": 500})


@pytest.mark.parametrize(("name", "least"), [("alexnet", 67), ("alexnet_small", 15)])
def test_rounding_down_needs_larger_inputs(name, least):
    model = ModelConfig(name=name, rounding="down", width=0.02)
    assert too_small(model, least) is None
    assert f"at least {least} pixels" in (too_small(model, least - 1) or "")
    assert blueprint(model, 3, least)  # and there is a net for the least


def test_what_the_net_is_given_is_what_it_resizes_to():
    assert too_small(ModelConfig(name="vgg_a", resize=32), 8) is None
    reason = too_small(ModelConfig(name="vgg_a", resize=31), 224)
    assert reason == "model.resize is 31, but vgg_a needs at least 32 pixels"


@pytest.mark.parametrize("knob", ["form", "init", "lrn_order"])
def test_nobody_ran_vgg_in_2012(knob):
    assert "not run in 2012" in (unsupported(ModelConfig(name="vgg_a", **{knob: "as_run"})) or "")


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("more", [{}, {"hidden_units": 8}, {"removed_layer": "conv4"}])
def test_the_layers_are_named_as_in_the_net(name, more):
    model = ModelConfig(name=name, width=0.02, **more)
    if unsupported(model) is None:
        net = blueprint(model, 3, 36)
        assert layer_names(model) == [n.split(".")[0] for n, _ in net.named_parameters()][::2]


def test_choices_of_a_gpu_do_nothing_where_the_placement_has_no_use_for_them():
    def trained(**keys):
        return effective(Config(train=TrainConfig(**keys)))

    assert trained(exchange="gloo") == trained()
    assert trained(placement="processes", exchange="gloo") != trained(placement="processes")
    assert trained(cuda_graph=True) != trained()
    adam = trained(optimizer="adam")
    assert trained(optimizer="adam", cuda_graph=True) == adam
