"""The settings of a run, and the keys of ablation files; the defaults are the paper's settings.

Field names are the keys of the YAML files, of ``--set``, of the CSV columns and of the errors.
Facts are from Krizhevsky, Sutskever, Hinton, NIPS 2012 ("the paper") unless a comment names another
source; "as run" means the experiment that the authors released as layers-145.
"""

import itertools
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
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

# Bounds beyond every use that leave nothing absurd to be built.
MOST_SEEDS = 1000  # of a variant: tuning's own seeds begin there
Side = Annotated[int, Field(gt=0, le=4096)]  # pixels
Border = Annotated[int, Field(ge=0, le=4096)]  # pixels; 0: none
Count = Annotated[int, Field(gt=0, le=10**6)]  # of epochs, kernels, units, images of a batch
CountOrNone = Annotated[int, Field(ge=0, le=10**6)]
Images = Annotated[int, Field(gt=0, le=10**9)]
Width = Annotated[float, Field(gt=0, le=16)]
Seeds = Annotated[int, Field(gt=0, le=MOST_SEEDS)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Percent = Annotated[float, Field(gt=0, lt=100)]
DropFactor = Annotated[float, Field(gt=1)]
LONGEST_TEXT = 2000  # characters of what a file says
Overrides = dict[str, Any]  # "section.key" -> value
# one "section.key" and the values to try
Grid = Annotated[
    dict[str, Annotated[list[float], Field(min_length=1, max_length=1000)]],
    Field(min_length=1, max_length=1),
]


def rising(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Epochs, or [epoch, rate] pairs, if each epoch is after the one before; raises ValueError."""
    epochs = [value[0] if isinstance(value, tuple) else value for value in values]
    if any(later <= earlier for earlier, later in itertools.pairwise(epochs)):
        raise ValueError("epochs that rise, each once")
    return values


# YAML knows lists, not tuples
Epochs = Annotated[tuple[PositiveInt, ...], Field(strict=False), AfterValidator(rising)]
# [epoch, rate] pairs: the rate holds from that epoch on, in place of the schedule
Rates = Annotated[
    tuple[Annotated[tuple[NonNegativeFloat, NonNegativeFloat], Field(strict=False)], ...],
    Field(strict=False),
    AfterValidator(rising),
]
ByLayer = dict[str, NonNegativeFloat]  # layer name (conv1, local3, fc6) -> value


def readable(text: str) -> str:
    """The text, if it has no control characters but line ends; raises ValueError."""
    if not text.replace("\n", "").isprintable() or len(text) > LONGEST_TEXT:
        raise ValueError(f"printable text of at most {LONGEST_TEXT:,} characters")
    return text


Said = Annotated[str, AfterValidator(readable)]  # what reports and pages show


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataConfig(Section):
    """The images, and how pixels become inputs of the net."""

    name: Literal["glyphs", "cifar10", "imagefolder"] = "imagefolder"
    # images are stored with this side in pixels: the shortest side is resized to it, then the
    # centre is cropped (section 2)
    image_size: Side = 256
    # how many images of each split are used: the first ones, class by class in turn; None: all
    train_images: Images | None = None
    test_images: Images | None = None
    undecodable: Literal["refuse", "skip"] = "refuse"
    # the mean of the training images that is subtracted from every image
    mean: Literal["per_pixel", "per_channel", "none"] = "per_pixel"
    scale: PositiveFloat = 1.0  # inputs are (pixel - mean) / scale with pixels in 0..255


class AugmentConfig(Section):
    """Random changes of each training image in each batch (section 4.1)."""

    crop_size: Side = 224  # side of the crop in pixels
    # pixels of zeros around the image, added after the mean is subtracted
    padding: Border = 0
    crops: bool = True  # true: crops at random positions; false: the centre crop
    mirror: bool = True  # half of the crops are mirrored
    # colour noise along the principal components: paper scales it by their eigenvalues, as_run by
    # the square roots of these
    pca_colour: Literal["none", "paper", "as_run"] = "paper"
    pca_sd: NonNegativeFloat = 0.1  # standard deviation of the colour noise
    pca_epochs: PositiveInt | None = None  # colour noise in the first epochs only; None: in all
    # true as run: training images are divided by 1 + pca_sd in the epochs with colour noise
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
    form: Literal["paper", "as_run"] = "paper"  # as_run: the defaults are those of AS_RUN
    width: Width = 1.0  # kernels and FC units, as a multiple of the paper's
    activation: Literal["relu", "tanh", "scaled_tanh"] = "relu"  # scaled_tanh: 1.7159 tanh(2x/3)
    # which layers have local response normalization; gain_only: conv1 and conv2, which divide by
    # k**beta alone
    lrn: Literal["none", "conv1", "conv2", "both", "gain_only"] = "both"
    lrn_size: Count = 5
    lrn_alpha: NonNegativeFloat = 1e-4
    lrn_beta: NonNegativeFloat = 0.75
    lrn_k: PositiveFloat = 2.0
    # the divisor's base: paper is k + alpha * sum, as_run is k + alpha / size * sum
    lrn_alpha_reading: Literal["paper", "as_run"] = "paper"
    # where the norm stands; as_run: the released order, in alexnet before the ReLU of conv1 and
    # after that of conv2
    lrn_order: Literal["after_relu", "before_relu", "after_pool", "as_run"] = "after_relu"
    within_map_norm: bool = False  # 5x5 norm inside each map of conv2: as run, not in the paper
    # overlapping: windows of 3x3 with stride 2; non_overlapping: 2x2 with stride 2, same output
    # size
    pooling: Literal["overlapping", "non_overlapping"] = "overlapping"
    dropout: Fraction = 0.5  # share of the hidden FC layers' units that is dropped (section 4.2)
    # hidden_layers drops outputs of fc6 and fc7 (the paper), layer_inputs those of the last pool
    # and fc6
    dropout_place: Literal["hidden_layers", "layer_inputs"] = "hidden_layers"
    columns: Literal["two_columns", "one_column", "no_links", "dense"] = "two_columns"
    # this layer is left out with its activation and norm; its pool stays
    removed_layer: Literal["none", "conv2", "conv3", "conv4", "conv5"] = "none"
    # output sizes of pools: up keeps windows that reach beyond the edge (released code), down drops
    # them (libraries)
    rounding: Literal["up", "down"] = "up"
    adaptive_pool: Border = 0  # output side of an average pool before fc6; 0: none
    resize: Border = 0  # the net resizes its inputs to this side in pixels; 0: it does not
    # standard deviations of the first weights: paper 0.01 everywhere, as_run the released ones,
    # fan_in gain / sqrt(inputs that are not dropped)
    init: Literal["paper", "as_run", "fan_in"] = "paper"
    # first biases of conv2, conv4, conv5 and the hidden FC layers; others begin at 0 (section 5)
    bias_init: float = 1.0
    hidden_units: CountOrNone = 0  # cifar4: units of a hidden FC layer (26% recipe: 64); 0: none
    # cifar_local: kernels of local3 (64 in the 11% recipe, 32 in the 13% one)
    local_kernels: Count = 64

    @model_validator(mode="before")
    @classmethod
    def fill_in_form(cls, values: Any) -> Any:
        """Form as_run: the released values where no value is given."""
        if not isinstance(values, dict) or values.get("form") != "as_run":
            return values
        # the released locally connected nets have no norm within maps
        released = AS_RUN | (
            {"within_map_norm": False} if values.get("name") == "cifar_local" else {}
        )
        return released | values


class TrainConfig(Section):
    """How the net is trained (section 5)."""

    epochs: Count = 90
    batch_size: Count = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: PositiveFloat = 0.01
    momentum: Fraction = 0.9
    weight_decay: NonNegativeFloat = 5e-4
    bias_lr_factor: PositiveFloat = 1.0  # times lr, for biases; 2 as run
    decay_biases: bool = True  # weight decay of biases as well; false as run
    anneal_biases: bool = True  # the schedule changes the biases' rate as well; false as run
    layer_lr_factor: ByLayer = {}  # times lr, for the weights and biases of single layers
    # times layer_lr_factor, for the weights alone. With init as_run, data.scale 64 and conv1: 4096
    # train as data.scale 1 does; weight decay needs 1 / 4096 of it in conv1's layer_weight_decay
    layer_weight_lr_factor: ByLayer = {}
    layer_weight_decay: ByLayer = {}  # in place of weight_decay, for the weights of single layers
    # rates of single layers, in place of the schedule; 0 freezes their biases as well
    layer_lr: dict[str, Rates] = {}
    bias_lr: Rates = ()  # of all biases, in place of bias_lr_factor and the schedule
    schedule: Literal["constant", "step", "stairs", "plateau", "linear", "cosine"] = "plateau"
    # stairs: the epochs are divided into equal parts; from each to the next lr falls by the same
    # factor, and by stairs_ratio in all
    stairs: Annotated[int, Field(ge=2, le=10**6)] = 4
    stairs_ratio: DropFactor = 250.0
    lr_drop_factor: DropFactor = 10.0  # step and plateau divide lr by it
    lr_drop_epochs: Epochs = ()  # step: after these epochs
    plateau_drops: Count = 3  # plateau: at most so many drops ...
    plateau_patience: PositiveInt = 5  # ... each after so many epochs without a lower test error
    # training ends after so many epochs without a lower test error; 0: never
    stop_patience: NonNegativeInt = 0
    target_train_error: Percent | None = None  # for metrics such as epochs_to_target
    # the error that the target is for. clean: of the pass after each epoch, without augmentation
    # and dropout; running: of the epoch's own batches, each before its step
    target_pass: Literal["clean", "running"] = "clean"
    stop_at_target: bool = False  # training ends once the target is reached
    precision: Literal["ieee", "tf32"] = "ieee"  # float32 products on CUDA; the CPU is always ieee
    # two: a column on each of two devices, in one process; processes: a column in each of two
    # processes; data_parallel: each batch is divided among train.replicas processes; hybrid: as
    # data_parallel, with the FC layers divided among the processes
    placement: Literal["one", "two", "processes", "data_parallel", "hybrid"] = "one"
    replicas: Annotated[int, Field(gt=0, le=1024)] = 1  # processes of data_parallel and hybrid
    alone: bool = False  # no other run at the same time, for questions of time


class EvaluateConfig(Section):
    """What is measured after each epoch and at the end."""

    # views averaged in the final test: centre; mirror: centre and its mirror; translations: 4
    # corners and centre; ten_crop: those 5 and their mirrors (section 4.1)
    views: Literal["centre", "mirror", "translations", "ten_crop"] = "centre"
    # how many nets are averaged in the final test: those of seeds s, s + 100, s + 200 and so on
    nets: Annotated[int, Field(ge=1, le=9)] = 1
    # training images evaluated after an epoch; None: all, 0: none
    train_images: NonNegativeInt | None = None
    # training images on which the share of saturated tanh units is measured after an epoch; 0: none
    saturation_images: NonNegativeInt = 0
    # indices of the test images that the page shows with predictions; (): the first 12
    pictured: Annotated[tuple[NonNegativeInt, ...], Field(strict=False)] = ()


class Config(Section):
    """All settings of a run. Its result depends on its seed, data and machine as well."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()


DEFAULTS = Config().model_dump(mode="json")


def differences(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of a dumped configuration that differ from the defaults, by section.

    A new key whose default changes nothing leaves the differences, and so the run ids, unchanged.
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
    """The comparison that tests a claim: ``variant`` minus ``baseline``, on ``metric``."""

    variant: str
    baseline: str | None = None  # None: the ablation's
    metric: str | None = None  # None: every metric that the claim gives a number for
    control: str | None = None  # a variant without the technique's cause: no effect is expected


def as_uses(value: Any) -> Any:
    """A variant's name, a use, or a list of them, as a tuple of uses."""
    uses = value if isinstance(value, list) else [value]
    if not uses:
        raise ValueError("the variant that tests the claim, or several")
    return tuple({"variant": use} if isinstance(use, str) else use for use in uses)


Claims = dict[str, Annotated[tuple[ClaimUse, ...], BeforeValidator(as_uses)]]


class ProfilePart(Section):
    """What a profile file and an ablation's part for a profile may say."""

    seeds: Seeds | None = None  # seeds 0 .. seeds - 1 of every variant
    other_seeds: Seeds | None = None  # at most so many of variants that no claim is about
    config: Overrides = {}
    tune: Grid | Literal["none"] | None = None  # none needs a tune_reason
    tune_reason: Said | None = None
    tune_seeds: Seeds | None = None
    tuned: dict[str, Overrides] = {}  # variant -> values chosen by earlier tuning
    # so many measured rates on either side of the tuned one, sqrt(2) apart; 0: at one rate
    tune_neighbours: Annotated[int, Field(ge=0, le=3)] | None = None


class RegimePart(Section):
    """The settings of a regime: ablations/regimes/<name>.yaml."""

    config: Overrides = {}


class ProfileFile(ProfilePart):
    """The keys of ablations/profiles/<name>.yaml."""

    regime: str  # the regime where none is named


class AblationPart(ProfilePart):
    """What an ablation says for one profile, or for ``<profile>-<regime>``."""

    finding: Said | None = None  # two sentences: what the records of this profile say
    only: Annotated[tuple[str, ...], Field(strict=False)] = ()  # these variants; (): all
    extra_metrics: Annotated[tuple[str, ...], Field(strict=False)] = ()  # of this profile alone
    variants: dict[str, Overrides] = {}  # variant -> settings in this profile alone
    extra_variants: dict[str, Overrides] = {}  # variants of this profile alone
    claims: Claims = {}  # claims tested in this profile alone


class AblationFile(ProfilePart):
    """The keys of ablations/<name>.yaml."""

    title: Said
    question: Said
    claims: Claims = {}
    baseline: str
    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    variants: dict[str, Overrides] = {}
    matrix: dict[str, list[Any]] = {}
    labels: dict[str, Said] = {}  # variant -> its name in tables and figures
    about: dict[str, Said] = {}  # variant -> one sentence on it
    profiles: dict[str, AblationPart] = {}
