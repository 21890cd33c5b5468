"""Stored pixels to inputs of the net: mean, crops, mirror images, colour noise; whole batches.

An image is stored as uint8 and lives where it trains; each batch is cut, mirrored, converted and
centred there in a few passes over memory. What is drawn is drawn for each image.
"""

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass

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
    """What chance decides for each image of a batch; on the CPU, so that devices agree."""

    positions: Tensor  # (B, 2) in [0, 1): row and column of the crop, as a share of the choices
    mirror: Tensor  # (B,) bool
    colour: Tensor  # (B, 3) standard normal


def draw(batch_size: int, generator: torch.Generator) -> Draws:
    """All draws of one batch, always of every kind: no setting changes what another one sees."""
    shares = torch.rand(batch_size, 3, generator=generator)
    colour = torch.randn(batch_size, 3, generator=generator)
    return Draws(shares[:, :2], shares[:, 2] < 0.5, colour)


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
        self.free = data.image_size + 2 * augment.padding - augment.crop_size
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

    def augment(
        self,
        images: Tensor,
        generator: torch.Generator,
        epoch: int = 0,
        share: BatchShare | None = None,
    ) -> Tensor:
        """Training inputs (B, 3, C, C) of (B, S, S, 3) uint8 images, drawn anew for each.

        epoch: how many are done; the last ones may be without colour noise. share: which images of
        the batch these are; None: all of them.
        """
        config, device = self.config, images.device
        draws = draw(share.whole if share else len(images), generator)
        if share and share.size > 1:
            draws = Draws(*(kind[share.rows] for kind in astuple(draws)))
        corners = torch.full((len(images), 2), self.free // 2)
        if config.crops:
            corners = (draws.positions * (self.free + 1)).long()
        mirror = draws.mirror if config.mirror else torch.zeros_like(draws.mirror)
        inputs = self.cut(images, corners, mirror)
        if self.colours is not None and epoch < (config.pca_epochs or math.inf):
            shift = draws.colour @ self.colours
            rows = shift.repeat(1, config.crop_size)[:, None]  # rows: see cut
            inputs += send(rows, device)
            if config.pca_rescale:
                inputs /= 1 + config.pca_sd
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
        for mirrored in (False, True) if views in ("mirror", "ten_crop") else (False,):
            mirror = torch.full((len(images),), mirrored)
            for row, column in spots:
                corner = torch.tensor([row * self.free // 2, column * self.free // 2])
                yield self.finish(self.cut(images, corner.expand(len(images), 2), mirror))

    def cut(self, images: Tensor, corners: Tensor, mirror: Tensor) -> Tensor:
        """Centred crops (B, C, C * 3) float32, each row of pixels one stretch of memory."""
        size, padding = self.config.crop_size, self.config.padding
        if not padding:
            return mirrored(crops(images, corners, size), mirror).float().sub_(self.mean)
        batch, side = images.shape[:2]
        padded = images.new_zeros(
            (batch, side + 2 * padding, side + 2 * padding, 3), dtype=torch.float32
        )
        inside = padded[:, padding:-padding, padding:-padding].flatten(2)
        torch.sub(images.flatten(2), self.mean, out=inside)
        return mirrored(crops(padded, corners, size), mirror)

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


def crops(images: Tensor, corners: Tensor, size: int) -> Tensor:
    """Squares (B, size, size * 3) cut out of (B, H, W, 3) images at their (B, 2) corners.

    A row of a crop is one stretch of memory: every stretch that starts at a pixel is a row of one
    overlapping view, and choosing rows of it is a plain copy (10 times faster than indexing).
    """
    batch, height, width, _ = images.shape
    pixels = batch * height * width
    stretches = images.as_strided((pixels - size + 1, size * 3), (3, 1))
    top_left = (torch.arange(batch) * height + corners[:, 0]) * width + corners[:, 1]
    starts = top_left[:, None] + torch.arange(size) * width
    chosen = stretches.index_select(0, send(starts.flatten(), images.device))
    return chosen.view(batch, size, size * 3)


def mirrored(rows: Tensor, mirror: Tensor) -> Tensor:
    """Rows (B, H, W * 3) of pixels, reversed for the images that ``mirror`` (B,) names."""
    chosen = send(mirror.nonzero().squeeze(1), rows.device)  # found on the host: no wait
    if len(chosen):
        pixels = rows.unflatten(2, (-1, 3))
        pixels[chosen] = pixels[chosen].flip(2)
    return rows
