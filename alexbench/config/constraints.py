"""Which settings take effect.

A setting that the net lacks is refused. Settings without effect are ignored when variants are
compared. No torch here.
"""

from typing import TypeVar

from alexbench.config import own_parts
from alexbench.config.schema import AugmentConfig, Config, ModelConfig, Section, TrainConfig

S = TypeVar("S", bound=Section)
EIGHT_LAYERS = ("alexnet", "alexnet_small")
# convolutions of the VGG nets
VGG_CONVS = {"vgg_a": 8, "vgg_b": 10, "vgg_c": 13, "vgg_d": 13, "vgg_e": 16}
NETS_WITH = {
    "columns": EIGHT_LAYERS,
    "removed_layer": EIGHT_LAYERS,
    "rounding": EIGHT_LAYERS,
    "adaptive_pool": EIGHT_LAYERS,
    "dropout_place": EIGHT_LAYERS,
    "hidden_units": ("cifar4",),
    "local_kernels": ("cifar_local",),
    "within_map_norm": (*EIGHT_LAYERS, "cifar4"),
    "dropout": (*EIGHT_LAYERS, *VGG_CONVS, "cifar4 with model.hidden_units"),
}
# the side in pixels that leaves at least one pixel after the last pooling layer
SMALLEST_INPUT = {"alexnet": 36, "alexnet_small": 8, "cifar4": 8, "cifar_local": 4} | {
    name: 32 for name in VGG_CONVS
}
KNOBS_OF_SCHEDULES = (
    ({"lr_drop_epochs"}, ("step",)),
    ({"lr_drop_factor"}, ("step", "plateau")),
    ({"plateau_drops", "plateau_patience"}, ("plateau",)),
    ({"stairs", "stairs_ratio"}, ("stairs",)),
)
PER_LAYER = ("layer_lr", "layer_lr_factor", "layer_weight_lr_factor", "layer_weight_decay")
SMALLEST_ROUNDED_DOWN = {"alexnet": 67, "alexnet_small": 15}


def lacking(model: ModelConfig) -> list[str]:
    """The settings that this net does not have; an own net reads what it wants."""
    if own_parts.is_own(model.name):
        return []
    name = "cifar4 with model.hidden_units" if model.hidden_units else model.name
    return [knob for knob, nets in NETS_WITH.items() if not {name, model.name} & set(nets)]


def unsupported(model: ModelConfig) -> str | None:
    """One line on the first setting that the net lacks, or None.

    Defaults are allowed, as nobody asked for them; so is dropout 0 in a net without dropout.
    """
    if model.name in VGG_CONVS and "as_run" in (model.form, model.init, model.lrn_order):
        return f"{model.name} was not run in 2012: no knob of model can be as_run"
    for knob in lacking(model):
        value, default = getattr(model, knob), ModelConfig.model_fields[knob].default
        if value != default and (knob, value) != ("dropout", 0):
            nets = " or ".join(NETS_WITH[knob])
            return (
                f"model.{knob} is {value}, but {model.name} has no such knob "
                f"({nets} has): leave it at {default}"
            )
    return None


def beyond_own_parts(config: Config) -> str | None:
    """One line on a setting that does not go with an own part, or None."""
    model, train, is_own = config.model, config.train, own_parts.is_own
    net = own_parts.name(model.name)
    of_layers = [key for key in PER_LAYER if getattr(train, key)]
    if is_own(model.name) and of_layers:
        return f"train.{of_layers[0]} is for alexbench's own layers, not for {net}"
    if is_own(model.name) and train.cuda_graph:
        return f"train.cuda_graph is for alexbench's own nets, not for {net}"
    if (is_own(model.name) or is_own(model.activation)) and config.evaluate.saturation_images:
        return "evaluate.saturation_images is for alexbench's own nets and activations"
    if train.placement != "one" and (own := own_code(config)):
        return f"train.placement is {train.placement}, but {own_parts.name(own[0])} needs one"
    return None


def own_code(config: Config) -> list[str]:
    """The own net, activation and optimizer, where there are."""
    every = (config.model.name, config.model.activation, config.train.optimizer)
    return [value for value in every if own_parts.is_own(value)]


def too_small(model: ModelConfig, input_size: int) -> str | None:
    """One line if inputs of that side in pixels would vanish in the net's pooling layers."""
    least = SMALLEST_INPUT.get(model.name, 1)
    if model.rounding == "down":
        least = SMALLEST_ROUNDED_DOWN.get(model.name, least)
    key, side = (
        ("model.resize", model.resize) if model.resize else ("augment.crop_size", input_size)
    )
    return (
        None
        if side >= least
        else f"{key} is {side}, but {model.name} needs at least {least} pixels"
    )


def layer_names(model: ModelConfig) -> list[str]:
    """The names of the layers with weights, in forward order."""
    if model.name in VGG_CONVS:
        kinds, hidden = ["conv"] * VGG_CONVS[model.name], 2
    elif model.name == "cifar4":
        kinds, hidden = ["conv"] * 3, int(model.hidden_units > 0)
    elif model.name == "cifar_local":
        kinds, hidden = ["conv", "conv", "local", "local"], 0
    else:
        kinds, hidden = ["conv"] * 5, 2
    kinds += ["fc"] * (hidden + 1)
    names = [f"{kind}{number}" for number, kind in enumerate(kinds, 1)]
    return [name for name in names if name != model.removed_layer]


def effective(config: Config) -> Config:
    """The configuration with every setting that has no effect at its default.

    Two configurations that are then equal train the same net.
    """
    sections = {
        "augment": at_default(config.augment, idle_in_augmentation(config.augment)),
        "model": at_default(config.model, idle_in_model(config.model)),
        "train": at_default(config.train, idle_in_training(config.train)),
        "evaluate": at_default(config.evaluate, idle_in_evaluation(config)),
    }
    return config.model_copy(update=sections)


def at_default(section: S, idle: set[str]) -> S:
    """The section with these settings at their defaults."""
    defaults = {knob: type(section).model_fields[knob].default for knob in idle}
    return section.model_copy(update=defaults)


def idle_in_augmentation(augment: AugmentConfig) -> set[str]:
    """The settings of augment that have no effect."""
    return {"pca_sd", "pca_epochs", "pca_rescale"} if augment.pca_colour == "none" else set()


def idle_in_training(train: TrainConfig) -> set[str]:
    """The settings of train that have no effect."""
    idle = {"momentum"} if train.optimizer == "adam" else set()
    for knobs, schedules in KNOBS_OF_SCHEDULES:
        if train.schedule not in schedules:
            idle |= knobs
    if train.placement in ("one", "two"):  # one process
        idle.add("exchange")
    if train.placement != "one" or train.optimizer != "sgd":
        idle.add("cuda_graph")
    return idle if train.target_train_error else idle | {"target_pass"}


def idle_in_evaluation(config: Config) -> set[str]:
    """The knobs of ``evaluate`` that do nothing: no ReLU saturates."""
    return {"saturation_images"} if config.model.activation == "relu" else set()


def idle_in_model(model: ModelConfig) -> set[str]:
    """The settings of model that have no effect."""
    idle = {"form", *lacking(model)}
    if not model.dropout:
        idle.add("dropout_place")
    if model.lrn in ("none", "gain_only"):
        idle |= {"lrn_size", "lrn_alpha", "lrn_alpha_reading"}
    if model.lrn == "none":
        idle |= {"lrn_beta", "lrn_k"}
        if not model.within_map_norm:
            idle.add("lrn_order")
    return idle
