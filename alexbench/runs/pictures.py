"""Pictures of a net: its kernels, and test images with its predictions and their neighbours.

A file a pictured run, in ``pictures/`` under the name of its record, so that each rate has its own;
the page shows those of the runs that are compared. Images of a data set that alexbench has no right
to hand on are apart, in ``examples/``. Images are stored as PNG, so that a report only embeds them.
No torch here.
"""

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError

from alexbench.runs.files import read_bytes, stem_of, write_text_safely

EMBEDDED = "embedded"  # the source of the letters that alexbench draws itself
SIDE = 64  # pixels: larger test images are reduced to it
MOST_PIXELS = 256  # on a side of a kernel or image


@dataclass(frozen=True)
class Neighbour:
    """A training image (base64 PNG), its class, and its distance from a test image's features."""

    image: str
    label: str
    distance: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Example:
    """A test image (base64 PNG), its class, the five likeliest classes with percentages, and the
    training images whose features are nearest."""

    image: str
    label: str
    top5: list[tuple[str, Annotated[float, Field(ge=0, le=100)]]]
    neighbours: list[Neighbour] = field(default_factory=list)


@dataclass(frozen=True)
class Pictures:
    """The pictures of one run."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    run_id: str
    variant: str
    seed: NonNegativeInt
    kernels: list[str]  # base64 PNG a kernel
    examples: list[Example]
    searched: NonNegativeInt = 0  # training images among which the neighbours were looked for

    @property
    def arm(self) -> str:
        """The variant and the seed, with which the names of the run's files begin."""
        return f"{self.variant}-seed{self.seed}"

    @property
    def stem(self) -> str:
        """The name of the run's files, without their endings."""
        return stem_of(self.variant, self.seed, self.run_id)


_ADAPTER = TypeAdapter(Pictures)


def kernels_to_png(weights: np.ndarray) -> list[str]:
    """Return a picture a kernel. ``weights``: (kernels, 3, height, width), one scale for all:
    grey is zero, the largest absolute weight is black or white."""
    largest = max(float(np.abs(weights).max()), 1e-12)
    pixels = np.round(127.5 + 127.5 * weights / largest).astype(np.uint8)
    return [to_png(kernel) for kernel in pixels.transpose(0, 2, 3, 1)]


def examples(
    images: np.ndarray, labels: Sequence[int], probabilities: np.ndarray, classes: Sequence[str]
) -> list[Example]:
    """Return test images with their top-5 predictions.

    ``images``: uint8 (n, height, width, 3); ``labels``: n class indices; ``probabilities``:
    (n, classes), the softmax outputs.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    return [
        Example(
            image=to_png(image),
            label=classes[label],
            top5=[(classes[i], round(100 * float(row[i]), 1)) for i in top],
        )
        for image, label, row, top in zip(images, labels, probabilities, best, strict=True)
    ]


def neighbours(
    images: np.ndarray, labels: Sequence[int], distances: Sequence[float], classes: Sequence[str]
) -> list[Neighbour]:
    """Return training images (n, height, width, 3) uint8 with their classes and distances."""
    return [
        Neighbour(to_png(image), classes[label], float(f"{distance:.4g}"))
        for image, label, distance in zip(images, labels, distances, strict=True)
    ]


def from_png(text: str) -> np.ndarray:
    """Return the pixels (height, width, 3) of a base64 PNG; raises ValueError if it is none."""
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]
        ) as image:
            if max(image.size) > MOST_PIXELS:
                raise ValueError(f"more than {MOST_PIXELS} pixels on a side")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, zlib.error, Image.DecompressionBombError) as error:
        raise ValueError("no PNG") from error


def to_png(pixels: np.ndarray) -> str:
    """Return uint8 pixels (height, width, 3) as base64 PNG, no larger than SIDE."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def write(pictures: Pictures, folder: Path, source: str) -> None:
    """Write below results/<ablation>/<profile>; raises RunFailed if the disk does not take it.

    source: of the data set; examples of any but the embedded one lie apart, where git ignores them.
    """
    kinds = {"pictures": pictures}
    if source != EMBEDDED:
        kinds = {
            "examples": replace(pictures, kernels=[]),
            "pictures": replace(pictures, examples=[]),
        }
    for kind, content in kinds.items():
        text = _ADAPTER.dump_json(content, indent=1).decode() + "\n"
        write_text_safely(text, folder / kind / f"{pictures.stem}.json")


def read_folder(folder: Path, names: Mapping[str, str | None]) -> tuple[list[Pictures], list[str]]:
    """Return the pictures of some runs, and a line a file that is not one; older ones of other
    runs are passed over.

    names: the id of each run, and how its files' names begin, where that is known:
    ``<variant>-seed<n>``. In alexbench 0.2 that was all of the name.
    """
    kept: dict[str, dict[str, Pictures]] = {"pictures": {}, "examples": {}}
    refusals = []
    for kind, found in kept.items():
        for path in sorted((folder / kind).glob("*.json")):
            try:
                each = _ADAPTER.validate_json(read_bytes(path))
                if each.run_id in names:
                    check(each, path.stem, names[each.run_id] or each.arm)
                    found.setdefault(each.run_id, each)
            except (ValidationError, OSError, ValueError):
                refusals.append(f"{path}: is not a file of pictures; delete it")
    apart = kept["examples"]
    return [
        replace(each, examples=apart.get(run_id, each).examples)
        for run_id, each in kept["pictures"].items()
    ], refusals


def check(pictures: Pictures, name: str, arm: str) -> None:
    """Raises ValueError unless every picture can be shown, and the file is the run's.

    name: of the file. arm: of the run with that id.
    """
    sizes = {from_png(kernel).shape for kernel in pictures.kernels}
    for example in pictures.examples:
        for image in (example.image, *(each.image for each in example.neighbours)):
            from_png(image)
    if len(sizes) > 1 or pictures.arm != arm or name not in (arm, pictures.stem):
        raise ValueError("kernels of several sizes, or another run's")
