"""The settings of a run; the defaults are the paper's settings.

Field names are the keys of the YAML files, of ``--set``, of the CSV columns and of the errors.
Facts are from Krizhevsky, Sutskever, Hinton, NIPS 2012 ("the paper") unless a comment names another
source; "as run" means the experiment that the authors released as layers-145.
"""

import itertools
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from alexbench.config import own_parts

# Bounds beyond every use that leave nothing absurd to be built.
Side = Annotated[int, Field(gt=0, le=4096)]  # pixels
Border = Annotated[int, Field(ge=0, le=4096)]  # pixels; 0: none
Count = Annotated[int, Field(gt=0, le=10**6)]  # of epochs, kernels, units, images of a batch
CountOrNone = Annotated[int, Field(ge=0, le=10**6)]
Images = Annotated[int, Field(gt=0, le=10**9)]
Width = Annotated[float, Field(gt=0, le=16)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Percent = Annotated[float, Field(gt=0, lt=100)]
# of a number, and of a rate: their products are still float32 numbers
LARGEST, LARGEST_RATE = 10**5, 10**18
SMALLEST = 1e-6  # of a number that others are divided by
Positive = Annotated[float, Field(gt=0, le=LARGEST)]
NonNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Divisor = Annotated[float, Field(ge=SMALLEST, le=LARGEST)]
Exponent = Annotated[float, Field(ge=0, le=5)]  # of a divisor
Epoch = Annotated[float, Field(ge=0, le=10**6)]
Rate = Annotated[float, Field(ge=0, le=LARGEST_RATE)]
DropFactor = Annotated[float, Field(gt=1, le=LARGEST)]
Overrides = dict[str, Any]  # "section.key" -> value


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
    tuple[Annotated[tuple[Epoch, Rate], Field(strict=False)], ...],
    Field(strict=False),
    AfterValidator(rising),
]
ByLayer = dict[str, NonNegative]  # layer name (conv1, local3, fc6) -> value


OwnPart = Annotated[str, Field(pattern=own_parts.PATTERN)]  # a function of a file of one's own


def in_one_line(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A name of alexbench's or an own part; raises ValueError that tells of both."""
    try:
        return validate(value)
    except ValidationError as error:
        names = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise ValueError(f"{names}, or {own_parts.FORM} of your own") from None


OrOwn = WrapValidator(in_one_line)


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataConfig(Section):
    """The images, and how pixels become inputs of the net."""

    name: Annotated[Literal["glyphs", "cifar10", "imagefolder"] | OwnPart, OrOwn] = Field(
        default="imagefolder",
        description=(
            "Data set: glyphs (letters drawn by alexbench), cifar10, imagefolder (a folder of "
            "images a class, as ImageNet's), or your own."
        ),
    )
    image_size: Side = Field(
        default=256,
        description=(
            "Side of a stored image in pixels: the shortest side is resized to it, then the "
            "centre is cropped (section 2)."
        ),
    )
    train_images: Images | None = Field(
        default=None,
        description="Number of training images: the first ones, class by class in turn; null: all.",
    )
    test_images: Images | None = Field(
        default=None,
        description="Number of test images: the first ones, class by class in turn; null: all.",
    )
    undecodable: Literal["refuse", "skip"] = Field(
        default="refuse",
        description=(
            "What happens with a file that cannot be decoded: refuse ends with an error, skip "
            "leaves it out."
        ),
    )
    mean: Literal["per_pixel", "per_channel", "none"] = Field(
        default="per_pixel",
        description=(
            "Mean of the training images that is subtracted from every image: of each pixel, of "
            "each channel, or none."
        ),
    )
    scale: Divisor = Field(
        default=1.0,
        description="Inputs of the net are (pixel - mean) / scale, with pixels in 0..255.",
    )


class AugmentConfig(Section):
    """Random changes of each training image in each batch (section 4.1)."""

    crop_size: Side = Field(
        default=224,
        description="Side of the crop in pixels, which is the side of the net's input.",
    )
    padding: Border = Field(
        default=0,
        description=(
            "Width in pixels of the border of zeros around the image, added after the mean is "
            "subtracted."
        ),
    )
    crops: bool = Field(
        default=True,
        description="true: training crops are at random positions; false: at the centre.",
    )
    mirror: bool = Field(
        default=True,
        description="true: each training image is mirrored with probability 1/2.",
    )
    pca_colour: Literal["none", "paper", "as_run"] = Field(
        default="paper",
        description=(
            "Colour noise along the principal components: none; paper scales it by their "
            "eigenvalues, as_run by the square roots of these."
        ),
    )
    pca_sd: NonNegative = Field(
        default=0.1,
        description="Standard deviation of the colour noise.",
    )
    pca_epochs: PositiveInt | None = Field(
        default=None,
        description="Number of first epochs with colour noise; null: all epochs.",
    )
    pca_rescale: bool = Field(
        default=False,
        description=(
            "true (as run): training images are divided by 1 + pca_sd in the epochs with colour "
            "noise."
        ),
    )


AS_RUN = {
    "init": "as_run",
    "lrn_alpha_reading": "as_run",
    "lrn_order": "as_run",
    "within_map_norm": True,
}


class ModelConfig(Section):
    """The net and the techniques that an ablation switches."""

    name: Annotated[
        Literal[
            "alexnet",
            "alexnet_small",
            "cifar4",
            "cifar_local",
            "vgg_a",
            "vgg_b",
            "vgg_c",
            "vgg_d",
            "vgg_e",
        ]
        | OwnPart,
        OrOwn,
    ] = Field(
        default="alexnet",
        description=(
            "Net: alexnet (the paper's), alexnet_small (its layers at 32x32 pixels), cifar4 and "
            "cifar_local (the CIFAR-10 nets of cuda-convnet), vgg_a to vgg_e, or your own."
        ),
    )
    form: Literal["paper", "as_run"] = Field(
        default="paper",
        description=(
            "Form of the net: paper; as_run gives init, lrn_alpha_reading, lrn_order and "
            "within_map_norm the released values unless they are set."
        ),
    )
    width: Width = Field(
        default=1.0,
        description="Number of kernels and FC units, as a multiple of the paper's.",
    )
    activation: Annotated[Literal["relu", "tanh", "scaled_tanh"] | OwnPart, OrOwn] = Field(
        default="relu",
        description="Activation function, or your own; scaled_tanh is 1.7159 tanh(2x/3).",
    )
    lrn: Literal["none", "conv1", "conv2", "both", "gain_only"] = Field(
        default="both",
        description=(
            "Layers with local response normalization; gain_only: conv1 and conv2 divide by k ** "
            "beta alone."
        ),
    )
    lrn_size: Count = Field(
        default=5,
        description=(
            "Number of neighbouring kernels in a window of local response normalization (n in the "
            "paper)."
        ),
    )
    lrn_alpha: NonNegative = Field(
        default=1e-4,
        description=(
            "alpha of local response normalization; lrn_alpha_reading says what it multiplies."
        ),
    )
    lrn_beta: Exponent = Field(
        default=0.75,
        description="beta of local response normalization: the exponent of the divisor.",
    )
    lrn_k: Divisor = Field(
        default=2.0,
        description="k of local response normalization: the constant in the divisor.",
    )
    lrn_alpha_reading: Literal["paper", "as_run"] = Field(
        default="paper",
        description=(
            "Divisor of local response normalization before its exponent: paper is k + alpha * "
            "sum, as_run is k + alpha / size * sum."
        ),
    )
    lrn_order: Literal["after_relu", "before_relu", "after_pool", "as_run"] = Field(
        default="after_relu",
        description=(
            "Place of the norm in its layer; as_run is the released order: in alexnet before the "
            "ReLU of conv1 and after that of conv2."
        ),
    )
    within_map_norm: bool = Field(
        default=False,
        description=(
            "true (as run, not in the paper): a norm over pixels of each map: 5x5 after conv2; in "
            "cifar4 3x3 after conv1 and conv2."
        ),
    )
    pooling: Literal["overlapping", "non_overlapping"] = Field(
        default="overlapping",
        description=(
            "Windows of max pooling: overlapping are 3x3 with stride 2; non_overlapping are 2x2 "
            "with stride 2, with the same output size."
        ),
    )
    dropout: Fraction = Field(
        default=0.5,
        description="Share of the units that dropout sets to 0 in training (section 4.2).",
    )
    dropout_place: Literal["hidden_layers", "layer_inputs"] = Field(
        default="hidden_layers",
        description=(
            "What dropout drops: hidden_layers the outputs of fc6 and fc7 (the paper), "
            "layer_inputs the outputs of the last pool and of fc6."
        ),
    )
    columns: Literal["two_columns", "one_column", "no_links", "dense"] = Field(
        default="two_columns",
        description=(
            "Columns of the net: two_columns as in the paper, where conv2, conv4 and conv5 see "
            "their own; no_links exchanges nothing before fc8; one_column has half of the kernels "
            "of conv1 to conv4; dense has the kernels of both, and every layer sees all."
        ),
    )
    removed_layer: Literal["none", "conv2", "conv3", "conv4", "conv5"] = Field(
        default="none",
        description="Layer that is left out with its activation and norm; its pool stays.",
    )
    rounding: Literal["up", "down"] = Field(
        default="up",
        description=(
            "Output size of pools: up keeps windows that reach beyond the edge (released code), "
            "down drops them (libraries)."
        ),
    )
    adaptive_pool: Border = Field(
        default=0,
        description="Output side of an average pool before fc6; 0: none.",
    )
    resize: Border = Field(
        default=0,
        description="Side in pixels to which the net resizes its inputs; 0: it does not.",
    )
    init: Literal["paper", "as_run", "fan_in"] = Field(
        default="paper",
        description=(
            "Standard deviation of the first weights: paper is 0.01 everywhere, as_run the "
            "released values, fan_in is gain / sqrt(inputs that are not dropped)."
        ),
    )
    bias_init: Annotated[float, Field(ge=-LARGEST, le=LARGEST)] = Field(
        default=1.0,
        description=(
            "First biases of conv2, conv4, conv5 and the hidden FC layers; other biases begin at "
            "0 (section 5)."
        ),
    )
    hidden_units: CountOrNone = Field(
        default=0,
        description=(
            "Units of a hidden FC layer in cifar4 (64 in the 26% recipe); 0: no such layer."
        ),
    )
    local_kernels: Count = Field(
        default=64,
        description=(
            "Kernels of local3 in cifar_local (64 in the 11% recipe, 32 in the 13% recipe)."
        ),
    )

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

    epochs: Count = Field(
        default=90,
        description="Number of passes over the training images.",
    )
    batch_size: Count = Field(default=128, description="Number of images in a batch.")
    optimizer: Annotated[Literal["sgd", "adam"] | OwnPart, OrOwn] = Field(
        default="sgd",
        description=(
            "Update rule: sgd is the paper's, with momentum and weight decay; adam is torch's; or "
            "your own."
        ),
    )
    lr: Annotated[float, Field(gt=0, le=LARGEST_RATE)] = Field(
        default=0.01, description="Learning rate at the start."
    )
    momentum: Fraction = Field(default=0.9, description="Momentum of sgd.")
    weight_decay: NonNegative = Field(
        default=5e-4,
        description=(
            "Weight decay: each step shrinks the weights by lr * weight_decay of their size."
        ),
    )
    bias_lr_factor: Positive = Field(
        default=1.0,
        description="Learning rate of the biases as a multiple of lr (2 as run).",
    )
    decay_biases: bool = Field(
        default=True,
        description="true: weight decay holds for biases as well (false as run).",
    )
    anneal_biases: bool = Field(
        default=True,
        description="true: the schedule changes the rate of the biases as well (false as run).",
    )
    layer_lr_factor: ByLayer = Field(
        default={},
        description=(
            "Layer -> learning rate of its weights and biases as a multiple of lr, e.g. {conv1: "
            "0.1}."
        ),
    )
    # With init as_run, data.scale 64 and conv1: 4096 train as data.scale 1 does; weight decay needs
    # 1 / 4096 of it in conv1's layer_weight_decay.
    layer_weight_lr_factor: ByLayer = Field(
        default={},
        description="Layer -> further factor on layer_lr_factor, for the weights alone.",
    )
    layer_weight_decay: ByLayer = Field(
        default={},
        description="Layer -> weight decay of its weights, in place of weight_decay.",
    )
    layer_lr: dict[str, Rates] = Field(
        default={},
        description=(
            "Layer -> [epoch, rate] pairs in place of the schedule: a rate holds from its epoch "
            "on; 0 freezes the biases as well."
        ),
    )
    bias_lr: Rates = Field(
        default=(),
        description=(
            "[epoch, rate] pairs for all biases, in place of bias_lr_factor and the schedule."
        ),
    )
    schedule: Literal["constant", "step", "stairs", "plateau", "linear", "cosine"] = Field(
        default="plateau",
        description=(
            "How the learning rate changes: constant, step (after lr_drop_epochs), stairs, "
            "plateau (when the test error no longer falls), linear or cosine (to 0)."
        ),
    )
    stairs: Annotated[int, Field(ge=2, le=10**6)] = Field(
        default=4,
        description=(
            "stairs: number of equal parts of the training; from each to the next lr falls by the "
            "same factor."
        ),
    )
    stairs_ratio: DropFactor = Field(
        default=250.0,
        description="stairs: first learning rate divided by the last.",
    )
    lr_drop_factor: DropFactor = Field(
        default=10.0,
        description="step and plateau: lr is divided by it at a drop.",
    )
    lr_drop_epochs: Epochs = Field(default=(), description="step: lr drops after these epochs.")
    plateau_drops: Count = Field(default=3, description="plateau: largest number of drops.")
    plateau_patience: PositiveInt = Field(
        default=5,
        description="plateau: number of epochs without a lower test error before a drop.",
    )
    stop_patience: NonNegativeInt = Field(
        default=0,
        description=(
            "Training ends after this number of epochs without a lower test error; 0: never."
        ),
    )
    target_train_error: Percent | None = Field(
        default=None,
        description=(
            "Training error in percent that metrics as epochs_to_target wait for; null: no target."
        ),
    )
    target_pass: Literal["clean", "running"] = Field(
        default="clean",
        description=(
            "Error that the target is for: clean, of a pass after each epoch without augmentation "
            "and dropout; running, of the epoch's own batches, each before its step."
        ),
    )
    stop_at_target: bool = Field(
        default=False,
        description="true: training ends when target_train_error is reached.",
    )
    precision: Literal["ieee", "tf32", "bf16"] = Field(
        default="ieee",
        description=(
            "ieee, tf32: of float32 products, tf32 on CUDA alone; bf16: layers compute in bf16 "
            "(autocast), with float32 sums in LRN and float32 weights."
        ),
    )
    cuda_graph: bool = Field(
        default=False,
        description=(
            "true: a step is recorded once and replayed as one graph, for nets so small that the "
            "host is slower than the GPU; on CUDA alone, with placement one and optimizer sgd."
        ),
    )
    cudnn_benchmark: bool = Field(
        default=False,
        description=(
            "true: on CUDA cuDNN times its algorithms and takes the fastest; results differ from "
            "run to run."
        ),
    )
    placement: Literal["one", "two", "processes", "data_parallel", "hybrid"] = Field(
        default="one",
        description=(
            "Where the net trains: one device; two devices, a column on each; processes, a column "
            "in each of two; data_parallel divides each batch among train.replicas processes; "
            "hybrid divides the FC layers too."
        ),
    )
    replicas: Annotated[int, Field(gt=0, le=1024)] = Field(
        default=1,
        description="Number of processes of data_parallel and hybrid.",
    )
    exchange: Literal["auto", "gloo"] = Field(
        default="auto",
        description=(
            "What carries data between processes. auto: NCCL between GPUs, gloo between CPUs; "
            "gloo: also between GPUs, by way of the host, so that several processes may share one."
        ),
    )
    alone: bool = Field(
        default=False,
        description="true: no other run trains at the same time, for questions of time.",
    )


class EvaluateConfig(Section):
    """What is measured after each epoch and at the end."""

    views: Literal["centre", "mirror", "translations", "ten_crop"] = Field(
        default="centre",
        description=(
            "Views that the final test averages: centre; mirror (centre and its mirror image); "
            "translations (4 corners and centre); ten_crop (these 5 and their mirror images; "
            "section 4.1)."
        ),
    )
    nets: Annotated[int, Field(ge=1, le=9)] = Field(
        default=1,
        description=(
            "Number of nets that the final test averages: those of the seeds s, s + 100, s + 200 "
            "and so on."
        ),
    )
    train_images: NonNegativeInt | None = Field(
        default=None,
        description=(
            "Number of training images that are evaluated after an epoch; null: all; 0: none."
        ),
    )
    saturation_images: NonNegativeInt = Field(
        default=0,
        description=(
            "Number of training images on which the share of saturated tanh units is measured "
            "after an epoch; 0: none."
        ),
    )
    pictured: Annotated[tuple[NonNegativeInt, ...], Field(strict=False)] = Field(
        default=(),
        description=(
            "Indices of the test images that the page shows with predictions; []: the first 12."
        ),
    )


class Config(Section):
    """All settings of a run. Its result depends on its seed, data and machine as well."""

    data: DataConfig = Field(
        default=DataConfig(),
        description="The images, and how pixels become inputs of the net.",
    )
    augment: AugmentConfig = Field(
        default=AugmentConfig(),
        description="Random changes of each training image in each batch.",
    )
    model: ModelConfig = Field(
        default=ModelConfig(),
        description="The net, and the techniques that an ablation switches.",
    )
    train: TrainConfig = Field(default=TrainConfig(), description="How the net is trained.")
    evaluate: EvaluateConfig = Field(
        default=EvaluateConfig(),
        description="What is measured after each epoch and at the end.",
    )


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
