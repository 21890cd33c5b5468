"""Exchanges between processes for one layer, with gradients, over public collectives.

DTensor is not used: split over channels, its convolution returns wrong results without a word.
"""

import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F


@dataclass
class Traffic:
    """Bytes that this process has sent to others in the training steps of an epoch.

    possible: whether there are other devices to send to.
    """

    possible: bool = False
    sent_bytes: int = 0
    steps: int = 0

    def count(self, content: Tensor, times: int = 1) -> None:
        """Add the bytes of a tensor that is sent so many times."""
        self.sent_bytes += content.nbytes * times

    def of_all(self, device: torch.device) -> int:
        """Bytes that all processes have sent together. Collective: every process calls it."""
        total = torch.tensor(self.sent_bytes, device=device)
        if dist.is_initialized():
            dist.all_reduce(total)
        return int(total)

    def resume(self, sent_bytes: int, steps: int) -> None:
        """Go on from what all processes had sent together."""
        first = not dist.is_initialized() or dist.get_rank() == 0
        self.sent_bytes, self.steps = sent_bytes * first, steps


class AllGather(torch.autograd.Function):
    """The equal parts of all processes, in order of rank: (size, *part).

    own_loss: True: losses differ by process and are summed, so the gradient is summed. False: every
    process has the same loss, so its own gradient is the whole one.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, traffic: Traffic, own_loss: bool) -> Tensor:
        ctx.traffic, ctx.own_loss = traffic, own_loss
        parts = swap(part.expand(dist.get_world_size(), *part.shape))
        if ctx.needs_input_grad[0]:
            traffic.count(part, len(parts) - 1)
        return parts

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        if not ctx.own_loss:
            return gradient[dist.get_rank()], None, None
        ctx.traffic.count(gradient[0], len(gradient) - 1)
        return swap(gradient).sum(0), None, None


def swap(pieces: Tensor) -> Tensor:
    """Send piece i, of (size, ...), to process i, and return what each process sent here.

    Over gloo it takes half the time of the library's all_gather, which copies more; and a CPU core
    is kept awake while it waits, as waking it takes longer than the exchange. An epoch of
    ``two_gpu``'s laptop net on two cores took 0.84 and 0.87 of the time on one, and 0.93 to 1.08
    with cores that slept (medians of two and four interleaved comparisons).
    """
    received = torch.empty_like(pieces, memory_format=torch.contiguous_format)
    work: Any = dist.all_to_all_single(received, pieces.contiguous(), async_op=True)
    while pieces.device.type == "cpu" and not work.is_completed():
        os.sched_yield()
    work.wait()
    return received


def gather_units(
    x: Tensor, traffic: Traffic, units: int | None = None, own_loss: bool = True
) -> Tensor:
    """The channels or features of all processes, from (B, own, ...); those of rank 0 come first.

    units: how many there are in all, where they may not divide and the last processes have fewer.
    """
    size = dist.get_world_size()
    units = units or size * x.shape[1]
    most = -(-units // size)
    last = x.movedim(1, -1)  # dense in channels-last memory: no copy
    if x.shape[1] < most:
        last = F.pad(last, (0, most - x.shape[1]))
    parts = AllGather.apply(last.contiguous(), traffic, own_loss)
    together = parts.movedim(0, -2).flatten(-2)[..., :units]
    return together.movedim(-1, 1)  # type: ignore[no-any-return]


def gather_rows(x: Tensor, traffic: Traffic) -> Tensor:
    """The equal numbers of rows of all processes, those of rank 0 first."""
    return AllGather.apply(x.contiguous(), traffic, True).flatten(0, 1)  # type: ignore[no-any-return]
