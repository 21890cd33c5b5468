"""A data set: images and labels, held in memory or read from files as they are needed."""

import hashlib
import math
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from alexbench.data.files import Files
from alexbench.data.moments import Moments, moments
from alexbench.data.shards import Shards
from alexbench.errors import BadInput, shown

HELD_GIB = 4.0  # of decoded images in memory, unless $ALEXBENCH_HELD_GIB says otherwise


def most_held_bytes() -> float:
    """How many bytes of decoded images may be held in memory. Raises BadInput."""
    setting = os.environ.get("ALEXBENCH_HELD_GIB", str(HELD_GIB))
    try:
        held = float(setting) * 2**30
    except ValueError:
        held = math.nan
    if not held >= 0:
        raise BadInput(f"ALEXBENCH_HELD_GIB: {shown(setting)} should be a number of GiB, 0 or more")
    return held


@dataclass(frozen=True, eq=False)
class HeldSplit:
    """Images held in memory: (N, S, S, 3) uint8, and labels (N,) int64, both on the CPU."""

    images: Tensor
    labels: Tensor
    _copies: dict[torch.device, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Images and labels on a device; copied there once."""
        if device.type == "cpu":
            return self.images, self.labels
        if device not in self._copies:
            self._copies[device] = (self.images.to(device), self.labels.to(device))
        return self._copies[device]

    @cached_property
    def moments(self) -> Moments:
        """Sums over the pixels of these images."""
        return moments(self.images)

    def take(self, indices: Tensor) -> "HeldSplit":
        """Some of the images, in that order."""
        return HeldSplit(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class StreamedSplit:
    """Images too many for memory, read anew each time. Labels: (N,) int64 on the CPU."""

    files: Files
    image_size: int
    moments: Moments
    shards: Shards | None = None  # the decoded images, where they were kept

    @property
    def labels(self) -> Tensor:
        """The labels (N,) int64."""
        return self.files.labels

    def take(self, indices: Tensor) -> "StreamedSplit":
        """Some of the images, in that order; the moments stay those of all."""
        kept = None if self.shards is None else self.shards[indices]
        return replace(self, files=self.files[indices], shards=kept)


Split: TypeAlias = HeldSplit | StreamedSplit


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a run trains and tests on.

    sha256: of the decoded pixels and labels of both splits; for streamed splits, of the names,
    sizes and labels of the files (``sha256_of`` says which).
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    sha256: str
    sha256_of: str
    skipped: tuple[str, ...] = ()  # files that could not be decoded


def hold(
    name: str,
    source: str,
    classes: tuple[str, ...],
    train: HeldSplit,
    test: HeldSplit,
    skipped: tuple[str, ...] = (),
) -> Dataset:
    """A data set held in memory, with the hash of what it trains on."""
    digest = hashlib.sha256()
    for split in (train, test):
        digest.update(repr(tuple(split.images.shape)).encode())
        digest.update(split.images.numpy().data)
        digest.update(split.labels.numpy().astype("<i8").data)
    sha256 = digest.hexdigest()
    return Dataset(name, source, classes, train, test, sha256, "pixels and labels", skipped)
