"""Batches of a split in a given order, on the device."""

from collections.abc import Iterator

import torch
from torch import Tensor

from alexbench.data.dataset import HeldSplit, Split, StreamedSplit
from alexbench.data.shards import image_bytes
from alexbench.data.stream import Decode, in_threads, in_workers
from alexbench.errors import RunFailed


def batches(
    split: Split, order: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, S, S, 3) uint8 and labels (B,) int64 in ``order``; the last batch may be short."""
    if len(order) == 0:
        return
    if isinstance(split, HeldSplit):
        images, labels = split.on(device)
        for indices in order.to(device).split(batch_size):
            yield images.index_select(0, indices), labels.index_select(0, indices)
    else:
        yield from stream(split, order, batch_size, device)


def stream(
    split: StreamedSplit, order: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, S, S, 3) uint8 and labels (B,) on the device, in ``order``, read ahead.

    Raises RunFailed for a file that can no longer be decoded.
    """
    files, chunks = split.files, order.split(batch_size)
    pin_memory = device.type == "cuda"
    if split.shards is None:
        loaded = in_workers(
            Decode(files, split.image_size),
            chunks,
            batch_size * image_bytes(split.image_size),
            pin_memory,
        )
    else:
        loaded = in_threads(split.shards, chunks, pin_memory)
    for chunk, (images, good) in zip(chunks, loaded, strict=True):
        if not good.all():
            lost = files.path(int(chunk[~good][0]))
            raise RunFailed(f"{lost}: could be decoded before, and cannot any more: is it damaged?")
        labels = files.labels[chunk].to(device, non_blocking=True)
        yield images.to(device, non_blocking=True), labels
