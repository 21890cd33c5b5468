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


MODES = ("RGB", "RGB", "RGB", "RGB", "RGB", "RGB", "RGB", "RGB", "L", "CMYK")


def photograph(label: int, seed: int, width: int, height: int, mode: str) -> Image.Image:
    """Smooth random shapes, bright or dark and more or less grained by their class."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 120, (6, 6, 3)) + 120 * (label % 2)
    image = Image.fromarray(coarse.astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 1 + 8 * (label // 2), (height, width, 1))
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def write_photographs(root: Path, train: int, test: int, sides: tuple[int, int]) -> Path:
    """root/train|val/<class>/<number>.JPEG of four classes, in all: mixed sizes, one in ten grey
    and one in ten CMYK."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", test)):
        for number in range(count):
            folder = root / split / f"class{number % 4}"
            folder.mkdir(parents=True, exist_ok=True)
            width, height = rng.integers(*sides, 2).tolist()
            seed = number + (10**6 if split == "val" else 0)
            image = photograph(number % 4, seed, width, height, MODES[number // 4 % len(MODES)])
            image.save(folder / f"{number}.JPEG", quality=85)
    return root
