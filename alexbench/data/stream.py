"""Images read ahead of their use: decoded by worker processes, or only copied by threads."""

import contextlib
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from alexbench.data.decode import decode
from alexbench.data.files import Files
from alexbench.data.moments import Moments, moments

Work = TypeVar("Work")
PREFETCH_BATCHES = 2  # a worker


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


def num_workers(chunks: int) -> int:
    """Who works on so many chunks beside this process: nobody where it would be one to share with.

    As many as this run has threads.
    """
    workers = min(torch.get_num_threads(), chunks)
    return 0 if workers == 1 else workers


def in_workers(
    function: Callable[[Tensor], Work], chunks: Sequence[Tensor], pin_memory: bool = False
) -> Iterator[Work]:
    """Results of the chunks in their order, made by processes."""
    workers = num_workers(len(chunks))
    loader: DataLoader[Work] = DataLoader(
        Tasks(function, chunks),
        batch_size=None,
        num_workers=workers,
        # Python 3.14 starts a new interpreter for each worker: 10 s a pass, and a script without a
        # main guard would run again in each
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        prefetch_factor=PREFETCH_BATCHES if workers else None,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # for the workers' seeds: the global one is left alone
    )
    with warnings.catch_warnings(), no_stdin():
        # Python 3.12 warns of every fork beside threads; the workers use none of their locks
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return iter(loader)


@contextlib.contextmanager
def no_stdin() -> Iterator[None]:
    """A forked process closes its sys.stdin, and waits for ever where a thread was reading it."""
    kept, sys.stdin = sys.stdin, None
    try:
        yield
    finally:
        sys.stdin = kept


def in_threads(
    read: Callable[[Tensor], tuple[Tensor, Tensor]],
    chunks: Sequence[Tensor],
    pin_memory: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images of the chunks in their order, read by threads.

    Where nothing is decoded, nothing holds the interpreter's lock for long, and handing images from
    process to process costs more than reading them: 1.3 to 11 times, measured on a busy machine.
    """

    def one(chunk: Tensor) -> tuple[Tensor, Tensor]:
        images, good = read(chunk)
        return images.pin_memory() if pin_memory else images, good

    workers = num_workers(len(chunks))
    if not workers:
        yield from map(one, chunks)
        return
    waiting: deque[Future[tuple[Tensor, Tensor]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in chunks:
            waiting.append(pool.submit(one, chunk))
            if len(waiting) > PREFETCH_BATCHES * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
