"""A data set of one's own, from a Python file beside the ablation."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alexbench.config import own_parts
from alexbench.config.schema import DataConfig
from alexbench.data.dataset import Dataset, HeldSplit, hold
from alexbench.data.files import balanced
from alexbench.errors import BadInput, shown

NEEDED = "train images, train labels, test images, test labels, names of the classes"


def load_own(data: DataConfig, data_root: Path | None) -> Dataset:
    """The data set that the file's function returns, as NumPy arrays or tensors; raises BadInput.

    Images (N, S, S, 3) uint8 with S = data.image_size, labels (N,) whole numbers from 0.
    """
    name = own_parts.name(data.name)
    found = own_parts.call(data.name, data, data_root)
    if not isinstance(found, tuple) or len(found) != 5:
        raise BadInput(f"{name}: returns {type(found).__name__}, not a tuple of {NEEDED}")
    classes = found[4]
    with own_parts.blamed(data.name):
        wrong = isinstance(classes, str) or not all(isinstance(each, str) for each in classes)
    if wrong or len(set(classes)) < max(2, len(classes)):
        raise BadInput(f"{name}: class names: {shown(classes)}: two or more different texts needed")
    side, counts = data.image_size, {"train": data.train_images, "test": data.test_images}
    train, test = (
        split_of(f"{name}: {which}", *arrays, len(classes), side, counts[which])
        for which, arrays in (("train", found[:2]), ("test", found[2:4]))
    )
    return hold(name, "own", tuple(classes), train, test)


def split_of(
    where: str, images: Any, labels: Any, num_classes: int, side: int, count: int | None
) -> HeldSplit:
    """The first ``count`` images, classes in turn; raises BadInput for what they cannot be."""
    try:
        pixels, numbers = torch.as_tensor(images), torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"{where}: {error}") from None
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[1:] != (side, side, 3):
        raise BadInput(
            f"{where} images: {told(pixels)}, should be uint8 (N, {side}, {side}, 3), as "
            f"data.image_size is {side}"
        )
    if (
        numbers.is_floating_point()
        or numbers.is_complex()
        or numbers.shape != pixels.shape[:1]
        or not len(numbers)
    ):
        raise BadInput(f"{where} labels: {told(numbers)}, should be a whole number an image")
    numbers = numbers.long()  # of uint16 torch knows no least
    if not 0 <= int(numbers.min()) <= int(numbers.max()) < num_classes:
        raise BadInput(f"{where} labels: should be 0 to {num_classes - 1}, an index of the classes")
    if count is not None and count > len(numbers):
        which = where.rpartition(" ")[2]
        raise BadInput(f"{where} images: {len(numbers)}, but data.{which}_images is {count}")
    chosen = balanced(numbers, count)
    return HeldSplit(pixels[chosen].contiguous(), numbers[chosen])


def told(tensor: Tensor) -> str:
    """A tensor's type and shape."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
