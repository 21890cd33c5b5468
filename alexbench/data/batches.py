"""Batches of a split in a given order, on the device."""

from collections.abc import Iterator

import torch
from torch import Tensor

from alexbench.data.dataset import HeldSplit, Split
from alexbench.data.stream import stream


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
