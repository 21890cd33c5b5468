"""Takes the outlines of A to Z from the fonts inside matplotlib; makes the package's outlines.json.

Hinting and antialiasing differ between versions of FreeType, the outlines in the files do not.
"""

import json
import logging
from pathlib import Path
from string import ascii_uppercase as LETTERS
from typing import Any

import matplotlib
from fontTools.ttLib import TTFont

from alexbench.data.glyphs import TEST_FONTS, TRAIN_FONTS
from alexbench.data.outlines import OUTLINES

FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def extract(name: str) -> list[Any]:
    """A letter each: its points, the last point of each contour, and which lie on the curve."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # old time stamps in the cm fonts
    with TTFont(FOLDER / name, lazy=True) as font:
        names, glyphs = font.getBestCmap(), font["glyf"]
        found = [glyphs[names[ord(letter)]].getCoordinates(glyphs) for letter in LETTERS]
    return [
        [[[int(x), int(y)] for x, y in points], list(ends), [flag & 1 for flag in on]]
        for points, ends, on in found
    ]


if __name__ == "__main__":
    fonts = (
        f'"{name}": {json.dumps(extract(name), separators=(",", ":"))}'
        for name in TRAIN_FONTS + TEST_FONTS
    )
    OUTLINES.write_text("{\n" + ",\n".join(fonts) + "\n}\n")
