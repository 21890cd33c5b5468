"""The embedded data set ``glyphs``: letters A to Z in random pose, colour and clutter.

Made from a seed, the same bytes on every machine: outlines in the package, then integers only.
The constants below set how hard it is.
"""

import hashlib
import math
from pathlib import Path
from string import ascii_uppercase as LETTERS
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexbench.config.schema import DataConfig
from alexbench.data import outlines
from alexbench.data.cache import Arrays, cached
from alexbench.data.dataset import Dataset, HeldSplit, hold, most_held_bytes
from alexbench.data.outlines import letter_masks
from alexbench.data.shards import image_bytes
from alexbench.errors import BadInput

TRAIN_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "cmr10.ttf",
    "cmb10.ttf",
)
TEST_FONTS = (
    "DejaVuSansMono-BoldOblique.ttf",
    "DejaVuSerif-Italic.ttf",
    "DejaVuSerif-BoldItalic.ttf",
    "STIXGeneralItalic.ttf",
    "STIXGeneralBolIta.ttf",
    "cmmi10.ttf",
    "cmss10.ttf",
    "cmti10.ttf",
    "cmtt10.ttf",
)
TRAIN_IMAGES, TEST_IMAGES = 6000, 2000  # where the configuration does not say

SEED = 2012
CHUNK = 50  # images drawn from one random stream: a prefix of the set does not depend on its size
MAX_MASK_SIDE = 256

# Shares are in 1/256.
TURN = 45  # tangent of half the largest rotation: 20 degrees
SHEAR = 50
SMALLEST, LARGEST = 190, 330  # height of the letter, as a share of its height in the mask
SHIFT = 30  # of the image, along each axis
CLUTTER = 2  # pieces of other letters
CLUTTER_NEAR, CLUTTER_FAR = 90, 150  # of the image: their distance from its centre
GROUND, LETTER, CLUTTER_COLOUR = (0, 90), (120, 255), (30, 160)  # each of R, G, B
TEXTURE = 50  # largest swing of the ground, out of 255
NOISE = 30  # largest standard deviation of the noise, out of 255

Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]


class Stream:
    """Integers from the raw words of PCG64, whose sequence numpy keeps in all versions."""

    def __init__(self, *seed: int) -> None:
        self.bits = np.random.PCG64(np.random.SeedSequence(seed))

    def integers(self, low: int, high: int, *shape: int) -> Ints:
        """Uniform integers low..high, both included."""
        words = self.bits.random_raw(math.prod(shape)) >> np.uint64(32)
        drawn = words * np.uint64(high - low + 1) >> np.uint64(32)
        return low + drawn.astype(np.int32).reshape(shape)

    def bell(self, *shape: int) -> Ints:
        """Sums of four bytes less their mean: bell-shaped, standard deviation 147.8."""
        words = self.bits.random_raw(math.prod(shape) // 2).astype("<u8", copy=False)
        pairs = words.view("<u4")
        low, high = pairs & 0x00FF00FF, pairs >> 8 & 0x00FF00FF
        both = low + high
        return ((both & 0xFFFF) + (both >> 16)).astype(np.int32).reshape(shape) - 510


def load_glyphs(data: DataConfig, cache: Path) -> Dataset:
    """The embedded data set, drawn once and cached."""
    size, train_images = data.image_size, data.train_images or TRAIN_IMAGES
    test_images = data.test_images or TEST_IMAGES
    needed = (train_images + test_images) * image_bytes(size)
    if needed > most_held_bytes():
        raise BadInput(
            f"glyphs: {train_images:,} and {test_images:,} images of {size} pixels are "
            f"{needed / 2**30:,.0f} GiB, and {most_held_bytes() / 2**30:g} may be held: "
            "fewer images, or set ALEXBENCH_HELD_GIB"
        )

    def make() -> Arrays:
        return {
            "train": letters(train_images, TRAIN_FONTS, 0, size),
            "test": letters(test_images, TEST_FONTS, 1, size),
        }

    sources = b"".join(Path(file).read_bytes() for file in (__file__, outlines.__file__))
    drawing = hashlib.sha256(sources).hexdigest()  # any change of the code draws anew
    fingerprint = f"{drawing} {outlines.sha256()}"
    path = cache / f"glyphs-{size}-{train_images}-{test_images}.npz"
    arrays = cached(path, fingerprint, make)
    train, test = (
        HeldSplit(torch.from_numpy(arrays[split]), torch.arange(len(arrays[split])) % len(LETTERS))
        for split in ("train", "test")
    )
    return hold("glyphs", "embedded", tuple(LETTERS), train, test)


def letters(images: int, fonts: tuple[str, ...], split: int, image_size: int) -> Bytes:
    """Letters in turn (A, B, ...), each in a random font and pose: (N, S, S, 3)."""
    atlas = quads(letter_masks(fonts, min(2 * image_size, MAX_MASK_SIDE)))
    turns = np.arange(-(-images // CHUNK) * CHUNK) % len(LETTERS)
    pixels = np.empty((len(turns), image_size, image_size, 3), dtype=np.uint8)
    for start in range(0, images, CHUNK):
        chunk = slice(start, start + CHUNK)
        pixels[chunk] = draw(turns[chunk], atlas, image_size, Stream(SEED, split, start))
    return pixels[:images]


def draw(letters: NDArray[Any], atlas: NDArray[np.uint32], size: int, stream: Stream) -> Bytes:
    """Images (n, size, size, 3) of the letters (n,): ground, clutter, letter, noise."""
    count, fonts = len(letters), len(atlas)
    ground = stream.integers(*GROUND, count, 3)
    image = textured(ground, size, stream)
    for _ in range(CLUTTER):
        font, letter = stream.integers(0, fonts - 1, count), stream.integers(0, 25, count)
        shape = posed(atlas[font, letter], aside(count, stream), size, stream)
        paint(image, shape, stream.integers(*CLUTTER_COLOUR, count, 3))
    font = stream.integers(0, fonts - 1, count)
    shift = stream.integers(-SHIFT, SHIFT, count, 2)
    shape = posed(atlas[font, letters], shift, size, stream)
    paint(image, shape, stream.integers(*LETTER, count, 3))
    noise = stream.bell(count, size, size, 3)
    image += noise * (443 * stream.integers(0, NOISE, count, 1, 1, 1)) >> 16  # 65536 / 148
    return np.clip(image, 0, 255).astype(np.uint8)


def quads(masks: Bytes) -> NDArray[np.uint32]:
    """Each pixel of the masks (..., M, M) with its three neighbours: (..., M + 1, M + 1) words.

    The masks get a border of zeros; one word then holds all that bilinear sampling reads.
    """
    border = [(0, 0)] * (masks.ndim - 2) + [(1, 1)] * 2
    wide = np.pad(masks, border).astype(np.uint32)
    columns = wide[..., :-1, :] | wide[..., 1:, :] << np.uint32(16)
    words: NDArray[np.uint32] = columns[..., :-1] | columns[..., 1:] << np.uint32(8)
    return words


def posed(shapes: NDArray[np.uint32], shift: Ints, size: int, stream: Stream) -> Ints:
    """Coverage 0..255 (n, size, size) of shapes (n, M + 1, M + 1) in a random affine pose.

    shift: (n, 2) right and down, in 1/256 of the image. Fixed point: the matrix has 12 fractional
    bits, positions in the picture and in the mask have 8.
    """
    count, stride = len(shapes), shapes.shape[1]
    tangent = stream.integers(-TURN, TURN, count)  # of half the angle: no sine, no cosine
    cosine = (65536 - tangent**2 << 12) // (65536 + tangent**2)
    sine = (512 * tangent << 12) // (65536 + tangent**2)
    shear = stream.integers(-SHEAR, SHEAR, count)
    height = stream.integers(SMALLEST, LARGEST, count)
    zoom = (stride - 1 << 20) // (size * height)  # mask pixels an image pixel
    matrix = [[cosine - shear * sine // 256, sine + shear * cosine // 256], [-sine, cosine]]
    grid = (2 * np.arange(size, dtype=np.int32) + 1 - size) * 128
    right, down = (grid - size * shift[:, axis, None] for axis in (0, 1))
    places = []
    for row in matrix:
        along, across = ((factor * zoom >> 12)[:, None] for factor in row)
        place = (along * right)[:, None, :] + (across * down)[:, :, None] >> 12
        places.append(np.clip(place + stride * 128, 0, stride * 256 - 1))
    u, v = places
    first = np.arange(count, dtype=np.int32)[:, None, None] * stride**2
    quad = shapes.ravel()[first + (v >> 8) * stride + (u >> 8)]
    u, v = (u & 255).astype(np.uint32), (v & 255).astype(np.uint32)
    columns = (quad & 0x00FF00FF) * (256 - u) + (quad >> 8 & 0x00FF00FF) * u
    upper, lower = columns & 0xFFFF, columns >> 16
    coverage: Ints = (upper * (256 - v) + lower * v >> 16).astype(np.int32)
    return coverage


def paint(image: Ints, coverage: Ints, colour: Ints) -> None:
    """Lay a colour (n, 3) over the image (n, S, S, 3) where the coverage (n, S, S) is."""
    opacity = (coverage + (coverage >> 7))[..., None]  # 0..256
    image += (colour[:, None, None] - image) * opacity >> 8


def textured(ground: Ints, size: int, stream: Stream) -> Ints:
    """Grounds (n, size, size, 3): a colour (n, 3) with coarse and fine blotches and stripes."""
    count = len(ground)
    fields = [blotches(count, size, 4, stream), blotches(count, size, 9, stream)]
    image: Ints = np.repeat(np.repeat(ground[:, None, None], size, axis=1), size, axis=2)
    for field in (*fields, stripes(count, size, stream)):
        swing = stream.integers(-TEXTURE, TEXTURE, count, 1, 1, 3)
        image += swing * (field[..., None] - 128) >> 8
    return image


def blotches(count: int, size: int, cells: int, stream: Stream) -> Ints:
    """Random values 0..255 on a grid of cells, interpolated: (n, size, size)."""
    knots = stream.integers(0, 255, count, cells + 1, cells + 1)
    place = (2 * np.arange(size, dtype=np.int32) + 1) * cells * 128 // size
    cell, share = place >> 8, place & 255
    rows = knots[:, cell] * (256 - share[:, None]) + knots[:, cell + 1] * share[:, None]
    values: Ints = rows[..., cell] * (256 - share) + rows[..., cell + 1] * share >> 16
    return values


def stripes(count: int, size: int, stream: Stream) -> Ints:
    """Triangle waves 0..255 of random direction, at most 6 in an image: (n, size, size)."""
    right, down = (stream.integers(-6 * 512, 6 * 512, count, 1) for _ in range(2))
    place = np.arange(size, dtype=np.int32)
    start = stream.integers(0, 511, count, 1, 1)
    phase = (right * place // size)[:, None, :] + (down * place // size)[:, :, None] + start
    waves: Ints = np.abs((phase & 511) - 256).clip(max=255)
    return waves


def aside(count: int, stream: Stream) -> Ints:
    """Shifts (n, 2) that leave a piece of a shape in the image, away from its centre."""
    shift = stream.integers(-CLUTTER_FAR, CLUTTER_FAR, count, 2)
    far = stream.integers(CLUTTER_NEAR, CLUTTER_FAR, count)
    axis, sign = stream.integers(0, 1, count), 2 * stream.integers(0, 1, count) - 1
    shift[np.arange(count), axis] = sign * far
    return shift
