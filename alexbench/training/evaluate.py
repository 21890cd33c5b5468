"""Errors of a net on a split, without augmentation: per example, so that arms can be paired."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexbench.data import Pixels, Split, batches
from alexbench.data.share import BatchShare
from alexbench.data.transfer import send

BATCH_PIXELS = 2**22  # of inputs: 83 images at 224 pixels, with about 0.1 GB in conv1
LARGEST_BATCH = 500


def images_a_batch(side: int) -> int:
    """How many images of that side in pixels pass through a net at once."""
    return min(LARGEST_BATCH, max(1, BATCH_PIXELS // side**2))


@dataclass(frozen=True)
class Scores:
    """How a net did on N examples; errors in percent, loss in nats."""

    loss: float
    error: float
    top5_error: float
    predicted: Tensor  # (N,) int64, on the CPU
    correct: Tensor  # (N,) bool, on the CPU
    probabilities: Tensor | None = None  # (N, classes) float32, on the CPU, where they are kept


@torch.no_grad()
def evaluate(
    net: nn.Module,
    split: Split,
    pixels: Pixels,
    views: str = "centre",
    images: int | None = None,
    keep: bool = False,
    between: Callable[[], object] = lambda: None,
    share: BatchShare | None = None,
) -> Scores:
    """Scores of the net in test mode, on the device of ``pixels``.

    views: of each image, whose softmax outputs are averaged, as in ``Pixels.views`` (section 4.1).
    images: only so many, the same random ones for every net; None: all of the split. keep: the
    probabilities. between: called after each batch. share: this process's part of each batch;
    None: all of it.
    """
    net.eval()
    device = pixels.mean.device
    share = share or BatchShare()
    order = torch.arange(len(split.labels))
    if images is not None and images < len(order):
        order = torch.randperm(len(order), generator=torch.Generator().manual_seed(0))[:images]
    losses, predictions, in_top5, kept = [], [], [], []
    batch_size = images_a_batch(pixels.config.crop_size)
    mine = batches(split, share.order(order, batch_size), share.part(batch_size), device)
    for (batch, _), indices in zip(mine, order.split(batch_size), strict=True):
        labels = send(split.labels[indices], device)
        outputs = [F.log_softmax(net(view), 1) for view in pixels.views(batch, views)]
        log_mean = torch.stack(outputs).logsumexp(0) - torch.tensor(float(len(outputs))).log()
        log_mean = share.collect(log_mean, len(indices))
        losses.append(F.nll_loss(log_mean, labels, reduction="none"))
        top5 = log_mean.topk(min(5, log_mean.shape[1]), 1).indices
        predictions.append(top5[:, 0])
        in_top5.append((top5 == labels[:, None]).any(1))
        kept += [log_mean.exp().cpu()] if keep else []
        between()
    predicted = torch.cat(predictions).cpu()
    correct = predicted == split.labels[order]
    return Scores(
        loss=float(torch.cat(losses).mean()),
        error=100 * int((~correct).sum()) / len(correct),
        top5_error=100 * int((~torch.cat(in_top5)).sum()) / len(correct),
        predicted=predicted,
        correct=correct,
        probabilities=torch.cat(kept) if keep else None,
    )
