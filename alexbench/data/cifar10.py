"""CIFAR-10 from a local copy in any of its layouts, or by torchvision's download."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from alexbench.config.disk import open_regular, read_bytes
from alexbench.config.schema import DataConfig
from alexbench.data.dataset import Dataset, HeldSplit, hold
from alexbench.data.files import balanced
from alexbench.data.imagefolder import load_folder
from alexbench.errors import BadInput

CLASSES = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
SIZE = 32
BINARY = "cifar-10-batches-bin"
PYTHON = "cifar-10-batches-py"
SPLITS = ("train", "test")
JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
TRAIN_FILES = tuple(f"data_batch_{batch}.bin" for batch in range(1, 6))
TEST_FILE = "test_batch.bin"
WHAT_TO_DO = (
    f"--data-root needs a folder with {BINARY}/, {PYTHON}/, or train/<class>/* and test/<class>/*"
)


def load_cifar10(data: DataConfig, data_root: Path | None, cache: Path) -> Dataset:
    """CIFAR-10 below data_root, else below ./datasets, else downloaded into the cache.

    Raises BadInput where there is no copy and none can be downloaded.
    """
    if data.image_size != SIZE:
        raise BadInput(
            f"data.image_size: CIFAR-10 images have {SIZE} pixels, not {data.image_size}"
        )
    if data_root is not None:
        found = local(data_root, data, cache)
        if found is None:
            raise BadInput(f"{data_root}: no CIFAR-10 here: {WHAT_TO_DO}")
        return found
    for folder in (Path("datasets", "cifar10"), Path("datasets")):
        if found := local(folder, data, cache):
            return found
    return torchvision_copy(cache / "cifar10", data, download=True)


def local(root: Path, data: DataConfig, cache: Path) -> Dataset | None:
    """The copy in a folder, whatever its layout; None where there is none."""
    for folder in (root / BINARY, root):
        if (folder / TEST_FILE).exists():
            return binary(folder, data)
    if (root / PYTHON).is_dir():
        return torchvision_copy(root, data, download=False)
    if root.name == PYTHON and root.is_dir():
        return torchvision_copy(root.parent, data, download=False)
    if all((root / "train" / name).is_dir() for name in CLASSES):
        return image_folder(root, data, cache)
    return None


def image_folder(root: Path, data: DataConfig, cache: Path) -> Dataset:
    """A copy as image files, which may have lost something (JPEG): the source says so."""
    found = load_folder(root, data, cache)
    if found.classes != CLASSES:
        raise BadInput(
            f"{root}: has {len(found.classes)} classes, CIFAR-10 has {', '.join(CLASSES)}"
        )
    jpeg = any(path.suffix.lower() in JPEG for path in root.glob("train/*/*"))
    for path in (path for split in SPLITS for name in CLASSES for path in first(root, split, name)):
        try:
            with open_regular(path) as file, Image.open(file) as image:
                size = image.size
        except OSError:
            continue  # skipped, as data.undecodable says
        if size != (SIZE, SIZE):
            raise BadInput(
                f"{path}: has {size[0]} x {size[1]} pixels, CIFAR-10 has {SIZE} x {SIZE}: "
                "data.name imagefolder reads images of any size"
            )
    return replace(found, source="image folder (JPEG copy)") if jpeg else found


def first(root: Path, split: str, name: str) -> list[Path]:
    """The first image of a class, if there is one."""
    return sorted(path for path in (root / split / name).glob("*") if path.name[0] != ".")[:1]


def binary(folder: Path, data: DataConfig) -> Dataset:
    """The binary layout: records of a label and 32 x 32 red, green and blue bytes."""
    paths = [folder / name for name in (*TRAIN_FILES, TEST_FILE)]
    try:
        parts = [np.frombuffer(read_bytes(path), dtype=np.uint8) for path in paths]
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}: CIFAR-10 has six such files") from None
    size = 1 + 3 * SIZE**2
    for path, part in zip(paths, parts, strict=True):
        whole = len(part) and len(part) % size == 0 and len(part) == len(parts[0])
        if not whole or part[::size].max() >= len(CLASSES):
            raise BadInput(f"{path}: is damaged: not {size} bytes a record, or not all records")
    records = np.concatenate(parts).reshape(-1, size)
    pixels = records[:, 1:].reshape(-1, 3, SIZE, SIZE).transpose(0, 2, 3, 1)
    train, test = np.split(np.arange(len(records)), [len(records) * 5 // 6])
    return hold(
        data.name,
        "binary",
        CLASSES,
        first_images(pixels[train], records[train, 0], data.train_images, "data.train_images"),
        first_images(pixels[test], records[test, 0], data.test_images, "data.test_images"),
    )


def torchvision_copy(root: Path, data: DataConfig, download: bool) -> Dataset:
    """The pickled layout, read by torchvision alone, which checks its MD5 sums before."""
    # here, for it takes half a second and is seldom needed
    from torchvision.datasets import CIFAR10  # type: ignore[import-untyped]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pickles of 2009 upset newer versions of numpy
            train = CIFAR10(root, train=True, download=download)
            test = CIFAR10(root, train=False)
    except OSError as error:
        tried = "no copy in ./datasets, and no download" if download else f"{root}: cannot be read"
        raise BadInput(f"CIFAR-10: {tried} ({error}): {WHAT_TO_DO}") from None
    except RuntimeError:
        raise BadInput(f"{root / PYTHON}: damaged, by its MD5 sums: {WHAT_TO_DO}") from None
    return hold(
        data.name,
        "torchvision",
        CLASSES,
        first_images(train.data, np.array(train.targets), data.train_images, "data.train_images"),
        first_images(test.data, np.array(test.targets), data.test_images, "data.test_images"),
    )


def first_images(
    pixels: NDArray[np.uint8], labels: NDArray[Any], count: int | None, key: str
) -> HeldSplit:
    """The first so many images (N, 32, 32, 3), classes in turn, as a split."""
    all_labels = torch.from_numpy(labels.astype(np.int64))
    if count is not None and count > len(labels):
        raise BadInput(f"{key}: {count} images asked for, CIFAR-10 has {len(labels)}")
    chosen = balanced(all_labels, count)
    return HeldSplit(torch.from_numpy(pixels[chosen.numpy()]).contiguous(), all_labels[chosen])
