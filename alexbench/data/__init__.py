"""Data sets: batches of uint8 images on the device, and their conversion to inputs of the net."""

import functools
from pathlib import Path

from alexbench.config import own_parts
from alexbench.config.paths import cache_folder
from alexbench.config.schema import AugmentConfig, DataConfig
from alexbench.data.augment import Batch, Pixels, colour_components
from alexbench.data.batches import batches
from alexbench.data.cifar10 import load_cifar10
from alexbench.data.dataset import Dataset, HeldSplit, Split, StreamedSplit
from alexbench.data.glyphs import load_glyphs
from alexbench.data.imagefolder import load_folder
from alexbench.data.own import load_own
from alexbench.errors import BadInput
from alexbench.runs.sections import ColourComponents, DataSection

__all__ = [
    "Batch",
    "Dataset",
    "HeldSplit",
    "Pixels",
    "Split",
    "StreamedSplit",
    "batches",
    "describe",
    "load",
    "load_data",
]


@functools.lru_cache(maxsize=1)
def load_data(data: DataConfig, data_root: str | None) -> Dataset:
    """The data set of a run; a process keeps the last one for its next run."""
    return load(data, Path(data_root) if data_root else None)


def load(data: DataConfig, data_root: Path | None, cache: Path | None = None) -> Dataset:
    """The data set that a configuration names.

    cache: where decoded pixels are kept; None: $ALEXBENCH_CACHE or the user's cache folder.
    Raises BadInput for data that is missing or that cannot be used, RunFailed for a cache that
    cannot be written.
    """
    if own_parts.is_own(data.name):
        return load_own(data, data_root)
    cache = cache or cache_folder()
    if data.name == "cifar10":
        return load_cifar10(data, data_root, cache)
    if data.name == "imagefolder":
        if data_root is None:
            raise BadInput(
                "data.name: imagefolder needs --data-root, a folder with train/ and val/"
            )
        return load_folder(data_root, data, cache)
    if data_root is not None:
        raise BadInput(f"{data_root}: glyphs are drawn, not read: leave --data-root out")
    return load_glyphs(data, cache)


def describe(data: Dataset, augment: AugmentConfig) -> DataSection:
    """What a record says of its images; with colour noise, the components that it is made of."""
    described: DataSection = {
        "name": data.name,
        "source": data.source,
        "sha256": data.sha256,
        "sha256_of": data.sha256_of,
        "classes": list(data.classes),
        "train_images": len(data.train.labels),
        "test_images": len(data.test.labels),
        "skipped": list(data.skipped),
    }
    if augment.pca_colour == "none":
        return described
    variances, directions = colour_components(data.train.moments)
    components: ColourComponents = {
        "variances": variances.tolist(),
        "directions": directions.tolist(),
    }
    return {**described, "colour_components": components}
