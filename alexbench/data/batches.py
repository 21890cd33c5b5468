"""Batches of a split in a given order, on the device."""

from collections import deque
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor

from alexbench.data.dataset import HeldSplit, Split, StreamedSplit
from alexbench.data.shards import image_bytes
from alexbench.data.stream import Decode, in_threads, in_workers
from alexbench.data.transfer import send
from alexbench.errors import RunFailed

Item = TypeVar("Item")


def batches(
    split: Split, order: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, S, S, 3) uint8 and labels (B,) int64 in ``order``; the last batch may be short."""
    if len(order) == 0:
        return
    if isinstance(split, HeldSplit):
        images, labels = split.on(device)
        for indices in send(order, device).split(batch_size):
            yield images.index_select(0, indices), labels.index_select(0, indices)
    else:
        read = stream(split, order, batch_size, device.type == "cuda")
        yield from copied_ahead(read, device) if device.type == "cuda" else read


def copied_ahead(
    read: Iterator[tuple[Tensor, Tensor]], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches on a CUDA device, each copied on a stream of its own while the one before trains."""
    stream = torch.cuda.Stream(device)

    def copy(batch: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, Tensor], torch.Event]:
        images, labels = batch
        with torch.cuda.stream(stream):
            return (send(images, device), send(labels, device)), stream.record_event()

    for batch, copied in one_ahead(map(copy, read)):
        current = torch.cuda.current_stream(device)
        current.wait_event(copied)
        for tensor in batch:
            tensor.record_stream(current)  # its memory is not given away before that one is done
        yield batch


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items in their order; each is handed out when the next one has been made."""
    waiting = deque[Item]()
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def stream(
    split: StreamedSplit, order: Tensor, batch_size: int, pin_memory: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, S, S, 3) uint8 and labels (B,) on the host, in ``order``, read ahead.

    Raises RunFailed for a file that can no longer be decoded.
    """
    files, chunks = split.files, order.split(batch_size)
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
        yield images, files.labels[chunk]
