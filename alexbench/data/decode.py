"""One image file to a square of RGB pixels."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]


def decode(path: Path, side: int) -> Bytes | None:
    """The centre square of an image, resized: (side, side, 3) uint8; None: it cannot be decoded.

    Shortest side to ``side``, then the centre (paper, section 2), bilinear with antialiasing.
    EXIF orientation is ignored, as the released loader ignored it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities of metadata; the pixels decide
        try:
            with Image.open(path) as image:
                return np.asarray(square(to_rgb(image), side))
        except Exception:  # broken files raise nearly every type that there is
            return None


def square(image: Image.Image, side: int) -> Image.Image:
    """The centre square of an image, resized to side x side."""
    width, height = image.size
    if (width, height) == (side, side):
        return image
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: grey repeated, CMYK converted, 16 bits to 8, transparency over white."""
    if image.mode.startswith("I"):  # 16-bit grey: I;16, or I from some versions of Pillow
        grey = np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255)
        image = Image.fromarray(grey.astype(np.uint8))
    if image.has_transparency_data:
        pixels = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, pixels)
    return image if image.mode == "RGB" else image.convert("RGB")
