"""Which images of each batch this process trains on."""

from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100  # the label of an image that only fills up a share; cross_entropy passes over it


@dataclass
class BatchShare:
    """This process's slice of each batch: slice ``rank`` of ``size`` equal ones.

    A batch that cannot be divided evenly is filled up with its last image, whose loss is ignored.
    Random draws are made for the whole batch and then cut, so that they do not depend on ``size``.
    """

    rank: int = 0
    size: int = 1
    whole: int = 0  # images in the batch in hand
    step: int = 0  # batches begun
    # indices into that batch: of this process's images, and of those that a layer computes
    rows: Tensor = field(default_factory=lambda: torch.arange(0))
    in_layer: Tensor = field(default_factory=lambda: torch.arange(0))

    def begin(self, whole: int) -> None:
        """Turn to the next batch, of so many images."""
        self.whole = whole
        self.step += 1
        self.rows = self.in_layer = self.rows_of(whole)

    def part(self, whole: int) -> int:
        """How many images each process takes of so many."""
        return -(-whole // self.size)

    def rows_of(self, whole: int) -> Tensor:
        """Indices of this process's images in a batch of so many; the last image fills up."""
        part = self.part(whole)
        return torch.arange(self.rank * part, (self.rank + 1) * part).clamp_max(whole - 1)

    def order(self, order: Tensor, batch_size: int) -> Tensor:
        """This process's images, batch for batch, of an epoch's order."""
        if self.size == 1 or len(order) == 0:
            return order
        return torch.cat([chunk[self.rows_of(len(chunk))] for chunk in order.split(batch_size)])

    def labels(self, labels: Tensor) -> Tensor:
        """The labels of the batch in hand, IGNORED where an image only fills up."""
        real = self.whole - self.rank * len(labels)
        if real >= len(labels):
            return labels
        fills = torch.arange(len(labels), device=labels.device) >= real
        return labels.masked_fill(fills, IGNORED)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """This process's part of the batch's mean loss: the parts add up to it."""
        if self.size == 1:
            return F.cross_entropy(logits, labels)
        return F.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED) / self.whole

    def total(self, number: Tensor) -> Tensor:
        """The sum of a number over the processes that share the batches."""
        if self.size == 1:
            return number
        total = number.clone()
        dist.all_reduce(total)
        return total

    def collect(self, rows: Tensor, whole: int) -> Tensor:
        """The rows of all processes in the order of the batch of so many images."""
        if self.size == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)[:whole]
