"""Stored pixels to inputs of the net: mean, crops, mirror images, colour noise; whole batches.

An image is stored as uint8 and lives where it trains; each batch is cut, mirrored, converted and
centred there in a few passes over memory. What is drawn is drawn for each image.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alexbench.config.schema import AugmentConfig, DataConfig
from alexbench.data.dataset import Split
from alexbench.data.moments import Moments
from alexbench.data.share import BatchShare
from alexbench.data.transfer import send
from alexbench.errors import BadInput

CORNERS_AND_CENTRE = ((0, 0), (0, 2), (1, 1), (2, 0), (2, 2))  # in halves of the free border


@dataclass(frozen=True)
class Draws:
    """What chance decides for each of N images; on the CPU, so that devices agree."""

    positions: Tensor  # (N, 2) in [0, 1): row and column of the crop, as a share of the choices
    mirror: Tensor  # (N,) bool
    colour: Tensor  # (N, 3) standard normal


@dataclass(frozen=True)
class Change:
    """What becomes of the images of one batch, on their device."""

    top_left: Tensor  # (B,) the crop's first pixel, counted through the pixels of the batch
    mirrored: Tensor | None  # (B,) bool, which images are mirrored; None: none of the run's are
    shift: Tensor | None  # (B, 3) what is added to the colours


@dataclass(frozen=True)
class Batch:
    """Stored images (B, S, S, 3) uint8, their labels (B,), and what becomes of them."""

    images: Tensor
    labels: Tensor
    change: Change

    def tensors(self) -> list[Tensor | None]:
        """All that a step reads of it."""
        return [self.images, self.labels, *vars(self.change).values()]

    def kinds(self) -> list[bool]:
        """Which of its tensors it has."""
        return [each is not None for each in self.tensors()]

    def clone(self) -> "Batch":
        """The same in memory of its own."""
        change = self.change
        mirrored = None if change.mirrored is None else change.mirrored.clone()
        shift = None if change.shift is None else change.shift.clone()
        own = Change(change.top_left.clone(), mirrored, shift)
        return Batch(self.images.clone(), self.labels.clone(), own)

    def copy_(self, other: "Batch") -> None:
        """Overwrite its tensors with those of a batch of the same form."""
        for own, new in zip(self.tensors(), other.tensors(), strict=True):
            if own is not None and new is not None:
                own.copy_(new)


def draw(images: int, generator: torch.Generator, batch_size: int | None = None) -> Draws:
    """All draws, batch by batch; always of every kind: no setting changes what another one sees.

    batch_size: of all batches but the last; None: the images are one batch.
    """
    whole, shares, colour = batch_size or images, [], []
    for first in range(0, images, whole):
        size = min(whole, images - first)
        shares.append(torch.rand(size, 3, generator=generator))
        colour.append(torch.randn(size, 3, generator=generator))
    both = torch.cat(shares)
    return Draws(both[:, :2], both[:, 2] < 0.5, torch.cat(colour))


class Pixels:
    """How a stored image becomes an input: fitted once to the training images.

    Inputs are (B, 3, C, C) float32 in that memory format: (pixel - mean) / scale.

    Without padding the centre crop of the mean is subtracted from every crop, wherever it was cut
    and whether or not it was mirrored (cuda-convnet, convdata.py). With padding the mean is
    subtracted where it belongs, and the zeros are added after it.

    Colour noise is the paper's section 4.1 in its two readings. The released code also divides
    training images by 1 + pca_sd, and drops both for the last epochs: knobs of their own, so that
    each changes one thing.
    """

    def __init__(
        self,
        train: Split,
        data: DataConfig,
        augment: AugmentConfig,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        self.config, self.memory_format = augment, memory_format
        self.side = data.image_size + 2 * augment.padding
        self.free = self.side - augment.crop_size
        if self.free < 0:
            raise BadInput(
                f"augment.crop_size: {augment.crop_size} is larger than the image: "
                f"at most data.image_size + 2 * augment.padding = {augment.crop_size + self.free}"
            )
        self.scale = data.scale
        mean = mean_image(train.moments, data)
        if not augment.padding:
            start = self.free // 2
            mean = mean[start:, start:][: augment.crop_size, : augment.crop_size]
        self.mean = mean.flatten(1).contiguous().to(device)  # (side, side * 3)
        self.colours = colour_directions(train.moments, augment)

    def augment(self, images: Tensor, generator: torch.Generator, epoch: int = 0) -> Tensor:
        """Training inputs (B, 3, C, C) of (B, S, S, 3) uint8 images, drawn anew for each."""
        (change,) = self.changes(len(images), generator, epoch)
        return self.changed(images, change)

    def changes(
        self,
        images: int,
        generator: torch.Generator,
        epoch: int = 0,
        batch_size: int | None = None,
        share: BatchShare | None = None,
    ) -> Iterator[Change]:
        """What becomes of so many images, batch by batch: drawn and sent to the device here.

        So a step has nothing to send. epoch: how many are done; the last ones may be without
        colour noise. batch_size: as for ``draw``. share: of each batch; None: all of it.
        """
        config, device = self.config, self.mean.device
        whole, share = batch_size or images, share or BatchShare()
        drawn = draw(images, generator, whole)
        draws = Draws(*(share.order(kind, whole) for kind in vars(drawn).values()))
        count, part = len(draws.mirror), share.part(whole)
        corners = torch.full((count, 2), self.free // 2)
        if config.crops:
            corners = (draws.positions * (self.free + 1)).long()
        inside = torch.arange(count) % part  # each image's place in its batch
        top_left = send((inside * self.side + corners[:, 0]) * self.side + corners[:, 1], device)
        nothing: Sequence[Tensor | None] = [None] * math.ceil(count / part)
        mirrored = send(draws.mirror, device).split(part) if config.mirror else nothing
        shifts = nothing
        if self.colours is not None and epoch < (config.pca_epochs or math.inf):
            products = [own @ self.colours for own in draws.colour.split(part)]
            shifts = send(torch.cat(products), device).split(part)
        return map(Change, top_left.split(part), mirrored, shifts)

    def changed(self, images: Tensor, change: Change) -> Tensor:
        """Training inputs (B, 3, C, C) of (B, S, S, 3) uint8 images."""
        inputs = self.cut(images, change.top_left, change.mirrored)
        if change.shift is not None:
            inputs += change.shift.repeat(1, self.config.crop_size)[:, None]  # rows: see cut
            if self.config.pca_rescale:
                inputs /= 1 + self.config.pca_sd
        return self.finish(inputs)

    def centre(self, images: Tensor) -> Tensor:
        """Test inputs (B, 3, C, C): the centre of each image."""
        return next(self.views(images, "centre"))

    def views(self, images: Tensor, views: str) -> Iterator[Tensor]:
        """Test inputs (B, 3, C, C), one view at a time: the centre, or the ten of section 4.1.

        ten_crop: four corners and the centre, then the same five mirrored; translations: the
        first five of these; mirror: the centre and its mirror image.
        """
        spots = ((1, 1),) if views in ("centre", "mirror") else CORNERS_AND_CENTRE
        every = torch.arange(len(images), device=images.device)
        turned = torch.ones_like(every, dtype=torch.bool)
        for mirrored in (None, turned) if views in ("mirror", "ten_crop") else (None,):
            for row, column in spots:
                corner = (row * self.free // 2) * self.side + column * self.free // 2
                yield self.finish(self.cut(images, every * self.side**2 + corner, mirrored))

    def cut(self, images: Tensor, top_left: Tensor, mirrored: Tensor | None) -> Tensor:
        """Centred crops (B, C, C * 3) float32, each row of pixels one stretch of memory."""
        size, padding = self.config.crop_size, self.config.padding
        if not padding:
            return mirror(crops(images, top_left, size), mirrored).float().sub_(self.mean)
        batch, side = images.shape[:2]
        padded = images.new_zeros(
            (batch, side + 2 * padding, side + 2 * padding, 3), dtype=torch.float32
        )
        inside = padded[:, padding:-padding, padding:-padding].flatten(2)
        torch.sub(images.flatten(2), self.mean, out=inside)
        return mirror(crops(padded, top_left, size), mirrored)

    def finish(self, inputs: Tensor) -> Tensor:
        """(B, C, C * 3) rows as (B, 3, C, C); in channels-last memory without a copy."""
        if self.scale != 1:
            inputs.mul_(1 / self.scale)
        pixels: Tensor = inputs.unflatten(2, (-1, 3))
        return pixels.permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format)


def mean_image(moments: Moments, data: DataConfig) -> Tensor:
    """What is subtracted from each image: (S, S, 3) float32."""
    mean = moments.mean_image()
    if data.mean == "none":
        mean = torch.zeros_like(mean)
    if data.mean == "per_channel":
        mean = mean.mean((0, 1)).expand_as(mean)
    return mean.float()


def colour_components(moments: Moments) -> tuple[Tensor, Tensor]:
    """Principal components of RGB in units of full brightness: variances (3,), rising, and rows.

    Each row (3, 3) is a direction of unit length; eigh leaves its sign open, here its sum is
    positive.
    """
    values, vectors = torch.linalg.eigh(moments.colour_covariance())
    vectors = vectors * torch.where(vectors.sum(0) < 0, -1, 1)
    return values.clamp_min(0), vectors.T


def colour_directions(moments: Moments, augment: AugmentConfig) -> Tensor | None:
    """Rows (3, 3) that three standard normal draws multiply to give an RGB shift in 0..255.

    The eigenvectors of the covariance of RGB in units of full brightness, times pca_sd times the
    eigenvalues (paper, as written) or their square roots (as_run: ``color_stdevs``).
    """
    if augment.pca_colour == "none":
        return None
    values, vectors = colour_components(moments)
    sizes = values.sqrt() if augment.pca_colour == "as_run" else values
    directions: Tensor = 255 * augment.pca_sd * sizes[:, None] * vectors
    return directions.float()


def crops(images: Tensor, top_left: Tensor, size: int) -> Tensor:
    """Squares (B, size, size * 3) cut out of (B, H, W, 3) images; top_left as in ``Change``.

    A row of a crop is one stretch of memory: every stretch that starts at a pixel is a row of one
    overlapping view, and choosing rows of it is a plain copy (10 times faster than indexing).
    """
    batch, height, width, _ = images.shape
    pixels = batch * height * width
    stretches = images.as_strided((pixels - size + 1, size * 3), (3, 1))
    starts = top_left[:, None] + torch.arange(0, size * width, width, device=images.device)
    return stretches.index_select(0, starts.flatten()).view(batch, size, size * 3)


def mirror(rows: Tensor, mirrored: Tensor | None) -> Tensor:
    """Rows (B, H, W * 3) of pixels, reversed where ``mirrored`` (B,) says so; may be in place."""
    if mirrored is None:
        return rows
    on_cpu = rows.device.type == "cpu"
    return reversed_alone(rows, mirrored) if on_cpu else reversed_of_all(rows, mirrored)


def reversed_alone(rows: Tensor, mirrored: Tensor) -> Tensor:
    """``mirror`` in place, by the images alone that are mirrored: less memory for a CPU to move."""
    indices, pixels = mirrored.nonzero().squeeze(1), rows.unflatten(2, (-1, 3))
    if len(indices):
        pixels[indices] = pixels[indices].flip(2)
    return rows


def reversed_of_all(rows: Tensor, mirrored: Tensor) -> Tensor:
    """``mirror`` by a choice for every pixel: a device need not tell the host how many there are,
    and a graph has tensors of one size."""
    pixels = rows.unflatten(2, (-1, 3))
    chosen: Tensor = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels).flatten(2)
    return chosen
