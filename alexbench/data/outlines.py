"""Capital letters as coverage masks, made from outlines of fonts by integer arithmetic.

The outlines are data of the package (letters/README.md has their licences), so that no other
package can change them, and integers give the same mask on every processor.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase as LETTERS
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

OUTLINES = Path(__file__).parent / "letters" / "outlines.json"
UNITS = 128  # coordinates are multiples of 1/128 font unit: exact for curves cut into PIECES
PIECES = 8  # straight pieces a curve
SAMPLES = 4  # samples a mask pixel, along each axis
CAP_SHARE = (3, 5)  # height of H in the mask: wide italics still fit


def letter_masks(fonts: tuple[str, ...], side: int) -> Bytes:
    """Coverage 0..255 of every letter of every font: (fonts, 26, side, side), letters centred."""
    masks = [
        [mask(outline, cap_height, side) for outline in letters]
        for letters, cap_height in map(font_outlines, fonts)
    ]
    return np.array(masks, dtype=np.uint8)


def sha256() -> str:
    """Hash of the outlines: where it changes, letters are drawn again."""
    return hashlib.sha256(OUTLINES.read_bytes()).hexdigest()


@functools.cache
def every_font() -> dict[str, list[tuple[list[list[int]], list[int], list[int]]]]:
    """Font -> of each letter its points, the last point of each contour, and on-curve flags."""
    fonts: dict[str, Any] = json.loads(OUTLINES.read_text(encoding="utf-8"))
    return fonts


def font_outlines(name: str) -> tuple[list[Ints], int]:
    """The straight edges of A..Z, each (edges, 2 ends, 2), and the height of H, in 1/UNITS."""
    letters = [edges(np.array(points), ends, bytes(on)) for points, ends, on in every_font()[name]]
    heights = letters[LETTERS.index("H")][..., 1]
    return letters, int(heights.max() - heights.min())


def edges(points: Ints, contour_ends: list[int], on_curve: bytes) -> Ints:
    """Straight edges (edges, 2 ends, 2) of a TrueType outline, in 1/UNITS."""
    starts = [0, *(end + 1 for end in contour_ends[:-1])]
    pieces = []
    for start, end in zip(starts, contour_ends, strict=True):
        part = slice(start, end + 1)
        loop = np.array(list(flattened(points[part].astype(np.int64), on_curve[part])))
        pieces.append(np.stack([loop, np.roll(loop, -1, axis=0)], axis=1))
    return np.concatenate(pieces)


def flattened(points: Ints, on_curve: bytes) -> Iterator[Ints]:
    """The corners of one closed contour, in 1/UNITS; curves are cut into PIECES."""
    doubled: list[tuple[Ints, int]] = []  # in half units, with the implied points between controls
    for here, on, after, after_on in zip(
        points, on_curve, np.roll(points, -1, axis=0), on_curve[1:] + on_curve[:1], strict=True
    ):
        doubled.append((2 * here, on & 1))
        if not (on & 1 or after_on & 1):
            doubled.append((here + after, 1))
    count = len(doubled)
    for index, (here, on) in enumerate(doubled):
        if on:
            yield here * (UNITS // 2)
        else:
            before, after = doubled[index - 1][0], doubled[(index + 1) % count][0]
            for k in range(1, PIECES):
                j = PIECES - k
                yield j * j * before + 2 * j * k * here + k * k * after


def mask(outline: Ints, cap_height: int, side: int) -> Bytes:
    """Coverage 0..255 (side, side) of one letter by the non-zero winding rule.

    Coordinates are multiplied so that sample (2 i + 1 - samples) * step is an integer: each row of
    samples finds the edges that cross it and counts them from the left.
    """
    samples = side * SAMPLES
    step = cap_height * CAP_SHARE[1]
    points = outline.reshape(-1, 2)
    centre = (points.min(axis=0) + points.max(axis=0)) // 2
    ends = (outline - centre) * (2 * samples * CAP_SHARE[0])
    (x0, y0), (x1, y1) = ends[:, 0].T, ends[:, 1].T
    rows = (samples - 1 - 2 * np.arange(samples, dtype=np.int64)) * step
    crossed = (np.minimum(y0, y1)[:, None] <= rows) & (rows < np.maximum(y0, y1)[:, None])
    edge, row = np.nonzero(crossed)
    x0, y0, x1, y1 = x0[edge], y0[edge], x1[edge], y1[edge]
    crossing = x0 + (rows[row] - y0) * (x1 - x0) // (y1 - y0)
    column = np.clip((crossing + step * (samples - 1)) // (2 * step) + 1, 0, samples)
    cell = row * (samples + 1) + column
    cells = samples * (samples + 1)
    up = np.bincount(cell[y1 > y0], minlength=cells)
    down = np.bincount(cell[y1 < y0], minlength=cells)
    winding = np.cumsum((up - down).reshape(samples, samples + 1)[:, :-1], axis=1)
    inside = (winding != 0).reshape(side, SAMPLES, side, SAMPLES).sum(axis=(1, 3))
    coverage: Bytes = (inside * 255 // SAMPLES**2).astype(np.uint8)
    return coverage
