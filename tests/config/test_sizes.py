"""Sizes beyond every use are refused before anything is built."""

import pytest

from alexbench.config.overrides import override
from alexbench.config.schema import Config
from alexbench.data import load
from alexbench.errors import BadInput
from alexbench.launch.sweep import SweepOptions, prepare

SIZES = (
    "data.image_size",
    "data.train_images",
    "data.test_images",
    "augment.crop_size",
    "augment.padding",
    "model.lrn_size",
    "model.adaptive_pool",
    "model.resize",
    "model.hidden_units",
    "model.local_kernels",
    "train.epochs",
    "train.batch_size",
    "train.stairs",
    "train.replicas",
)


@pytest.mark.parametrize(
    ("key", "value"), [*((key, 10**12) for key in SIZES), ("model.width", 1e300)]
)
def test_an_absurd_size_is_refused_with_its_bound(key: str, value: float):
    with pytest.raises(BadInput, match=rf"{key}.*less than or equal to"):
        override(Config(), {key: value}, "here")


NUMBERS = (
    "data.scale",
    "augment.pca_sd",
    "model.lrn_alpha",
    "model.lrn_beta",
    "model.lrn_k",
    "model.bias_init",
    "train.lr",
    "train.weight_decay",
    "train.bias_lr_factor",
    "train.stairs_ratio",
    "train.lr_drop_factor",
)


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_that_float32_does_not_have_is_refused(key: str):
    with pytest.raises(BadInput, match=rf"{key}.*less than or equal to"):
        override(Config(), {key: 1e39}, "here")


@pytest.mark.parametrize(
    "values",
    [
        {"train.layer_lr_factor": {"conv1": 1e39}},
        {"train.layer_weight_decay": {"conv1": 1e300}},
        {"train.layer_lr": {"conv1": [[1, 1e300]]}},
        {"train.bias_lr": [[1, 1e300]]},
    ],
)
def test_a_number_of_a_layer_is_bounded_as_well(values: dict[str, object]):
    with pytest.raises(BadInput, match=r"here: train.*less than or equal to"):
        override(Config(), values, "here")


def test_a_border_is_no_wider_than_the_image():
    with pytest.raises(BadInput, match=r"here: augment\.padding is 4096, at most data\.image_size"):
        override(Config(), {"augment.padding": 4096}, "here")


def test_a_million_seeds_are_refused():
    with pytest.raises(BadInput, match="seeds: 1000000 is not allowed, it should be at most 1000"):
        prepare("lrn", options=SweepOptions(seeds=10**6))


def test_letters_that_would_fill_the_memory_are_refused():
    data = Config().data.model_copy(
        update={"name": "glyphs", "image_size": 4096, "train_images": 10**9}
    )
    with pytest.raises(BadInput, match=r"^glyphs: 1,000,000,000 and 2,000 images of 4096 pixels"):
        load(data, None)
