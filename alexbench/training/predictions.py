"""A net's answers to single images: likeliest classes and nearest training images (Figure 4)."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor, nn

from alexbench.config.schema import EvaluateConfig
from alexbench.data import Dataset, Pixels, Split, batches
from alexbench.errors import BadInput
from alexbench.runs import pictures
from alexbench.training.evaluate import images_a_batch

NEIGHBOURS = 6  # Figure 4 shows six training images beside each test image


def check_pictured(evaluate: EvaluateConfig, data: Dataset) -> None:
    """Raises BadInput if an image is to be shown that the test set does not have."""
    last = len(data.test.labels) - 1
    for place in evaluate.pictured:
        if place > last:
            raise BadInput(f"evaluate.pictured: {place} is no test image, the last one is {last}")


@torch.no_grad()
def predict(
    net: nn.Module,
    data: Dataset,
    pixels: Pixels,
    shown: Tensor,
    train_images: int | None,
    between: Callable[[], object] = lambda: None,
) -> tuple[list[pictures.Example], int]:
    """Test images at the places ``shown`` with top-5 predictions and nearest training images.

    train_images: how many random ones are looked at, the same for every net; None: all, 0: none.
    between: called after each batch. Returns how many were looked at, too.
    """
    device = pixels.mean.device
    images, labels = next(batches(data.test, shown, len(shown), device))
    logits, features = forward(net.eval(), pixels.centre(images))
    order = torch.randperm(len(data.train.labels), generator=torch.Generator().manual_seed(0))
    order = order[:train_images]
    found = pictures.examples(
        images.cpu().numpy(), labels.tolist(), logits.softmax(1).cpu().numpy(), data.classes
    )
    if not len(order):
        return found, 0
    distances, places = nearest(net, data.train, order, pixels, features, between)
    near, near_labels = next(batches(data.train, places.flatten(), places.numel(), device))
    around = zip(
        near.cpu().unflatten(0, places.shape).numpy(),
        near_labels.view(places.shape).tolist(),
        distances.tolist(),
        strict=True,
    )
    return [
        replace(example, neighbours=pictures.neighbours(*row, data.classes))
        for example, row in zip(found, around, strict=True)
    ], len(order)


def forward(net: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, classes) and the inputs of the last layer (B, F): FC7 in the paper's net.

    float32, whatever the net computes in. The logits again, of an own net without a fully connected
    layer.
    """
    seen: list[Tensor] = []
    with ExitStack() as hooks:
        for layer in net.modules():
            if isinstance(layer, nn.Linear):
                hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
                hooks.enter_context(hook)
        logits = net(inputs)
    features = next((each for each in reversed(seen) if each.dim() == 2), logits)
    return logits.float(), features.float()


@torch.no_grad()
def nearest(
    net: nn.Module,
    split: Split,
    order: Tensor,
    pixels: Pixels,
    features: Tensor,
    between: Callable[[], object],
) -> tuple[Tensor, Tensor]:
    """The NEIGHBOURS images nearest to each of (Q, F) features, among those at ``order``.

    Returns Euclidean distances and indices, both (Q, NEIGHBOURS) on the CPU, the nearest first.
    The other features are dropped: those of all of ImageNet would take 20 GB.
    """
    size = images_a_batch(pixels.config.crop_size)
    distances = features.new_empty(len(features), 0).cpu()
    places = torch.empty(len(features), 0, dtype=torch.int64)
    device = features.device
    chunks = order.split(size)
    for chunk, (images, _) in zip(chunks, batches(split, order, size, device), strict=True):
        _, others = forward(net, pixels.centre(images))
        here = torch.cdist(features, others, compute_mode="donot_use_mm_for_euclid_dist").cpu()
        distances = torch.cat([distances, here], 1)
        places = torch.cat([places, chunk.expand(len(features), -1)], 1)
        chosen = distances.argsort(dim=1, stable=True)[:, :NEIGHBOURS]
        distances, places = distances.gather(1, chosen), places.gather(1, chosen)
        between()
    return distances, places
