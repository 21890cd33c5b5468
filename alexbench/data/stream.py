"""Images read from files by worker processes, decoded ahead of their use."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from alexbench.data.dataset import StreamedSplit
from alexbench.data.decode import decode
from alexbench.data.files import Files
from alexbench.data.moments import Moments, moments
from alexbench.errors import RunFailed

Work = TypeVar("Work")
PREFETCH_BATCHES = 2  # a worker


def stream(
    split: StreamedSplit, order: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, S, S, 3) uint8 and labels (B,) on the device, in ``order``.

    Raises RunFailed for a file that can no longer be decoded.
    """
    files, chunks = split.files, order.split(batch_size)
    loaded = in_workers(Decode(files, split.image_size), chunks, pin_memory=device.type == "cuda")
    for chunk, (images, good) in zip(chunks, loaded, strict=True):
        if not good.all():
            lost = files.path(int(chunk[~good][0]))
            raise RunFailed(f"{lost}: could be decoded before, and cannot any more: is it damaged?")
        labels = files.labels[chunk].to(device, non_blocking=True)
        yield images.to(device, non_blocking=True), labels


class Decode:
    """Decodes files by their indices: images (n, S, S, 3) uint8, and which (n,) are images."""

    def __init__(self, files: Files, image_size: int) -> None:
        self.files = files
        self.image_size = image_size

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        images = np.zeros((len(indices), self.image_size, self.image_size, 3), dtype=np.uint8)
        good = torch.zeros(len(indices), dtype=torch.bool)
        for place, index in enumerate(indices.tolist()):
            pixels = decode(self.files.path(index), self.image_size)
            if pixels is not None:
                images[place] = pixels
                good[place] = True
        return torch.from_numpy(images), good


class Survey:
    """Decodes files for the moments of their pixels: few bytes to hand back."""

    def __init__(self, files: Files, image_size: int) -> None:
        self.decode = Decode(files, image_size)

    def __call__(self, indices: Tensor) -> tuple[Moments, Tensor]:
        images, good = self.decode(indices)
        return moments(images[good]), good


class Tasks(Dataset[Work]):
    """A function and the chunks of indices that it is to be called with."""

    def __init__(self, function: Callable[[Tensor], Work], chunks: Sequence[Tensor]) -> None:
        self.function = function
        self.chunks = chunks

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, index: int) -> Work:
        return self.function(self.chunks[index])


def in_workers(
    function: Callable[[Tensor], Work], chunks: Sequence[Tensor], pin_memory: bool = False
) -> Iterator[Work]:
    """Results of the chunks in their order, from as many processes as this run has threads."""
    workers = min(torch.get_num_threads(), len(chunks))
    workers = 0 if workers == 1 else workers  # alone: no second process to compete with
    loader: DataLoader[Work] = DataLoader(
        Tasks(function, chunks),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=PREFETCH_BATCHES if workers else None,
        pin_memory=pin_memory,
    )
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the workers use none of their locks
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return iter(loader)
