"""One image file to a square of RGB pixels."""

import errno
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexbench.config.disk import open_regular
from alexbench.errors import RunFailed

# what the system says of a file that is not there, or is none: a property of the data
OF_THE_DATA = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EINVAL)
Bytes = NDArray[np.uint8]


def decode(path: Path, side: int) -> Bytes | None:
    """The centre square of an image, resized: (side, side, 3) uint8; None: it cannot be decoded.

    Shortest side to ``side``, then the centre (paper, section 2), bilinear with antialiasing.
    EXIF orientation is ignored, as the released loader ignored it. Raises RunFailed for a file that
    the system does not let be read now: that may pass, and nothing is concluded from it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities of metadata; the pixels decide
        try:
            with open_regular(path) as file, Image.open(file) as image:
                return np.asarray(square(to_rgb(image), side))
        except OSError as error:
            if error.errno is None or error.errno in OF_THE_DATA:
                return None
            raise RunFailed(
                f"{path}: cannot be read now: {error.strerror}; nothing is kept of it"
            ) from None
        except MemoryError:
            raise RunFailed(f"{path}: no memory to decode it") from None
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
    """Any mode as RGB: grey repeated, CMYK converted, 16 bits to 8, transparency over white.

    Grey of 32 bits is read by its range, as ``eight_bits`` does it.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        grey = np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255)
        image = Image.fromarray(grey.astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        pixels = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, pixels)
    return image if image.mode == "RGB" else image.convert("RGB")


def eight_bits(grey: NDArray[np.generic]) -> Bytes:
    """Grey values (H, W) as bytes: fractions 0..1 of white, 0..255, or 16 bits 0..65535.

    Raises ValueError for values that are none of these.
    """
    values = np.asarray(grey, dtype=np.float64)
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= 65535):
        raise ValueError(f"grey values from {least} to {most}")
    if grey.dtype.kind == "f" and most <= 1:
        values = values * 255
    elif most > 255:
        values = np.floor(values / 256)
    return np.rint(values).astype(np.uint8)
