"""Image folders of a few files, for the tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_folder(
    root: Path, classes: tuple[str, ...] = ("cat", "dog"), train: int = 3, test: int = 2
) -> Path:
    """root/train|test/<class>/<number>.png, every image another one."""
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                seed = 100 * label + number + (50 if split == "test" else 0)
                noise(seed, 8 + number, 8).save(folder / f"{number}.png")
    return root
