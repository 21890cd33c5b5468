"""What a run is made of: a frozen schema whose defaults are the paper's own settings.

Field names are the keys of the YAML files, of ``--set``, of the CSV columns and of the errors.
Facts are from Krizhevsky, Sutskever, Hinton, NIPS 2012 ("the paper") unless a comment names another
source; "as run" means the experiment that the authors released as layers-145.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Percent = Annotated[float, Field(gt=0, lt=100)]
DropFactor = Annotated[float, Field(gt=1)]
Overrides = dict[str, Any]  # dotted key -> value
# one key and the values to try
Grid = Annotated[
    dict[str, Annotated[list[float], Field(min_length=1)]], Field(min_length=1, max_length=1)
]
Epochs = Annotated[tuple[PositiveInt, ...], Field(strict=False)]  # YAML knows lists, not tuples
# [epoch, rate] pairs: from each of those epochs on that rate holds, whatever the schedule says
Rates = Annotated[
    tuple[Annotated[tuple[NonNegativeFloat, NonNegativeFloat], Field(strict=False)], ...],
    Field(strict=False),
]
ByLayer = dict[str, NonNegativeFloat]  # a layer's name, as in conv1, local3, fc6 -> a value


class Section(BaseModel):
    """A frozen group of settings that knows its keys and refuses all others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataConfig(Section):
    """Which images, and how a stored pixel becomes an input."""

    name: Literal["glyphs", "cifar10", "imagefolder"] = "imagefolder"
    # stored side in pixels: shortest side resized to it, then the centre (section 2)
    image_size: PositiveInt = 256
    # the first so many of each split, the classes in turn; None: all
    train_images: PositiveInt | None = None
    test_images: PositiveInt | None = None
    undecodable: Literal["refuse", "skip"] = "refuse"
    # of the training images, subtracted
    mean: Literal["per_pixel", "per_channel", "none"] = "per_pixel"
    scale: PositiveFloat = 1.0  # inputs are (pixel - mean) / scale with pixels in 0..255


class AugmentConfig(Section):
    """What is drawn anew for each image of each batch (section 4.1)."""

    crop_size: PositiveInt = 224  # side of the net's input in pixels
    padding: NonNegativeInt = 0  # zeros (after the mean) around the image before cropping
    crops: bool = True  # random positions; false: the centre
    mirror: bool = True
    # scaled by eigenvalues; by their square roots
    pca_colour: Literal["none", "paper", "as_run"] = "paper"
    pca_sd: NonNegativeFloat = 0.1
    pca_epochs: PositiveInt | None = None  # noise in the first so many epochs only; None: in all
    # as run: training images are divided by 1 + pca_sd in the epochs that have noise
    pca_rescale: bool = False


AS_RUN = {
    "init": "as_run",
    "lrn_alpha_reading": "as_run",
    "lrn_order": "as_run",
    "within_map_norm": True,
}


class ModelConfig(Section):
    """The net and the techniques that an ablation switches."""

    name: Literal[
        "alexnet",
        "alexnet_small",
        "cifar4",
        "cifar_local",
        "vgg_a",
        "vgg_b",
        "vgg_c",
        "vgg_d",
        "vgg_e",
    ] = "alexnet"
    form: Literal["paper", "as_run"] = "paper"  # as_run fills in AS_RUN where a key is not given
    width: PositiveFloat = 1.0  # kernels and FC units, as a multiple of the paper's
    activation: Literal["relu", "tanh", "scaled_tanh"] = "relu"  # scaled: 1.7159 tanh(2x/3)
    # gain_only: both divide by k**beta alone
    lrn: Literal["none", "conv1", "conv2", "both", "gain_only"] = "both"
    lrn_size: PositiveInt = 5
    lrn_alpha: NonNegativeFloat = 1e-4
    lrn_beta: NonNegativeFloat = 0.75
    lrn_k: PositiveFloat = 2.0
    # k + alpha * sum; k + alpha / size * sum
    lrn_alpha_reading: Literal["paper", "as_run"] = "paper"
    # as_run: conv1 before
    lrn_order: Literal["after_relu", "before_relu", "after_pool", "as_run"] = "after_relu"
    within_map_norm: bool = False  # 5x5 norm inside each map of conv2, as run and not in the paper
    # 3x3/2; 2x2/2, equal output sizes
    pooling: Literal["overlapping", "non_overlapping"] = "overlapping"
    dropout: Fraction = 0.5  # of the units of the hidden FC layers, dropped (section 4.2)
    # whose outputs are dropped: fc6 and fc7 (the paper), or the last pool and fc6
    dropout_place: Literal["hidden_layers", "layer_inputs"] = "hidden_layers"
    columns: Literal["two_columns", "one_column", "no_links", "dense"] = "two_columns"
    # that layer is left out with its activation and its norm; its pool stays
    removed_layer: Literal["none", "conv2", "conv3", "conv4", "conv5"] = "none"
    # of map sizes: windows that reach beyond the edge count (released code), or do not (libraries)
    rounding: Literal["up", "down"] = "up"
    adaptive_pool: NonNegativeInt = 0  # side in pixels of an average pool before fc6; 0: none
    resize: NonNegativeInt = 0  # side in pixels to which the net resizes its inputs; 0: as they are
    # sd 0.01 everywhere; released sds; gain / sqrt(inputs that are not dropped)
    init: Literal["paper", "as_run", "fan_in"] = "paper"
    # in conv2, conv4, conv5 and the hidden FC layers; 0 in the others (section 5)
    bias_init: float = 1.0
    hidden_units: NonNegativeInt = 0  # cifar4: a hidden FC layer (64 in the 26% recipe); 0: none
    # cifar_local: kernels of local3 (64 in the 11% recipe, 32 in the 13% one)
    local_kernels: PositiveInt = 64

    @model_validator(mode="before")
    @classmethod
    def fill_in_form(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("form") != "as_run":
            return values
        # the released locally connected nets have no norm within maps
        released = AS_RUN | (
            {"within_map_norm": False} if values.get("name") == "cifar_local" else {}
        )
        return released | values


class TrainConfig(Section):
    """How the net is trained (section 5)."""

    epochs: PositiveInt = 90
    batch_size: PositiveInt = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: PositiveFloat = 0.01
    momentum: Fraction = 0.9
    weight_decay: NonNegativeFloat = 5e-4
    bias_lr_factor: PositiveFloat = 1.0  # 2 as run
    decay_biases: bool = True  # false as run
    anneal_biases: bool = True  # false as run: the schedule is the weights' alone
    layer_lr_factor: ByLayer = {}  # times lr, for the weights and biases of single layers
    # times layer_lr_factor, for the weights alone. With init as_run, data.scale 64 and conv1: 4096
    # train as data.scale 1 does; weight decay needs 1 / 4096 of it in conv1's layer_weight_decay
    layer_weight_lr_factor: ByLayer = {}
    layer_weight_decay: ByLayer = {}  # in place of weight_decay, for the weights of single layers
    layer_lr: dict[
        str, Rates
    ] = {}  # of single layers, in place of the schedule; 0 freezes biases too
    bias_lr: Rates = ()  # of all biases, in place of bias_lr_factor and the schedule
    schedule: Literal["constant", "step", "stairs", "plateau", "linear", "cosine"] = "plateau"
    stairs: Annotated[int, Field(ge=2)] = (
        4  # stairs: so many equal parts of the epochs, and lr falls
    )
    stairs_ratio: DropFactor = 250.0  # by one ratio from each to the next, by so much in all
    lr_drop_factor: DropFactor = 10.0  # step and plateau divide lr by it
    lr_drop_epochs: Epochs = ()  # step: after these epochs
    plateau_drops: PositiveInt = 3  # plateau: at most so many drops ...
    plateau_patience: PositiveInt = 5  # ... each after so many epochs without a lower test error
    # ends after so many epochs without a lower test error; 0: never
    stop_patience: NonNegativeInt = 0
    target_train_error: Percent | None = None  # for time-to-target questions
    # the error that the target is for. clean: of the pass after each epoch, without augmentation
    # and dropout; running: of the epoch's own batches, each before its step
    target_pass: Literal["clean", "running"] = "clean"
    stop_at_target: bool = False
    precision: Literal["ieee", "tf32"] = "ieee"  # float32 products on CUDA; the CPU is always ieee
    # two, processes: the net's columns on two devices of one process, or in a process each;
    # data_parallel, hybrid: each batch among train.replicas processes, hybrid with shared FC layers
    placement: Literal["one", "two", "processes", "data_parallel", "hybrid"] = "one"
    replicas: PositiveInt = 1
    alone: bool = False  # no other run beside it, for questions of time


class EvaluateConfig(Section):
    """What is measured after each epoch."""

    # of the final test, whose softmax outputs are averaged over: the centre; it and its mirror
    # image; four corners and the centre; these five and their mirror images (section 4.1)
    views: Literal["centre", "mirror", "translations", "ten_crop"] = "centre"
    # whose softmax outputs are averaged: those of seeds s, s + 100, s + 200 and so on
    nets: Annotated[int, Field(ge=1, le=9)] = 1
    train_images: NonNegativeInt | None = None  # of the clean training pass; None: all, 0: no pass
    # of the training images: after each epoch the share of saturated tanh units is measured on so
    # many; 0: it is not
    saturation_images: NonNegativeInt = 0
    # test images on the page with their predictions, by their places from 0; (): the first 12
    pictured: Annotated[tuple[NonNegativeInt, ...], Field(strict=False)] = ()


class Config(Section):
    """Everything that decides the result of one run, but for its seed, its data and its machine."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()


DEFAULTS = Config().model_dump(mode="json")


def differences(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a dumped configuration says beside the defaults, by section.

    A key that a later alexbench adds, with a default that changes nothing, leaves it as it was.
    """
    return {
        section: {
            key: value
            for key, value in values.items()
            if key not in DEFAULTS.get(section, {}) or DEFAULTS[section][key] != value
        }
        for section, values in config.items()
    }


class ClaimUse(Section):
    """Which arm of an ablation embodies a claim: ``variant`` minus ``baseline``, on ``metric``."""

    variant: str
    baseline: str | None = None  # None: the ablation's
    metric: str | None = None  # None: every metric that the claim gives a number for


def as_uses(value: Any) -> Any:
    uses = value if isinstance(value, list) else [value]
    return tuple({"variant": use} if isinstance(use, str) else use for use in uses)


Claims = dict[str, Annotated[tuple[ClaimUse, ...], BeforeValidator(as_uses)]]


class ProfilePart(Section):
    """What a profile file and an ablation's part for a profile may say."""

    seeds: PositiveInt | None = None  # seeds 0 .. seeds - 1 of every variant
    other_seeds: PositiveInt | None = None  # at most so many of variants that no claim is about
    config: Overrides = {}
    tune: Grid | Literal["none"] | None = None  # none: with the reason in tune_reason
    tune_reason: str | None = None
    tune_seeds: PositiveInt | None = None
    tuned: dict[str, Overrides] = {}  # chosen earlier; the records are in the results' tuning/


class AblationPart(ProfilePart):
    """What an ablation says for one profile."""

    variants: dict[str, Overrides] = {}  # of single variants, over what they say at every scale
    extra_variants: dict[str, Overrides] = {}  # of this profile alone
    claims: Claims = {}  # likewise


class AblationFile(ProfilePart):
    """The keys of ablations/<name>.yaml."""

    title: str
    question: str
    claims: Claims = {}
    baseline: str
    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    variants: dict[str, Overrides] = {}
    matrix: dict[str, list[Any]] = {}
    profiles: dict[str, AblationPart] = {}
