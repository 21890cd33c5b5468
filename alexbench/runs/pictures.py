"""Pictures of a net: its kernels, and test images with its predictions and their neighbours.

One file a variant beside the records, ``pictures/<variant>-seed<n>.json``; the page shows it where
it is kept. Images of a data set that alexbench has no right to hand on are apart, in ``examples/``.
Images are stored as PNG, so that a report only embeds them. No torch here.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import ConfigDict, TypeAdapter, ValidationError

from alexbench.runs.files import read_bytes, write_text_safely

EMBEDDED = "embedded"  # the source of the letters that alexbench draws itself
SIDE = 64  # pixels: larger test images are reduced to it


@dataclass(frozen=True)
class Neighbour:
    """A training image (base64 PNG), its class, and its distance from a test image's features."""

    image: str
    label: str
    distance: float


@dataclass(frozen=True)
class Example:
    """A test image (base64 PNG), its class, the five likeliest classes with percentages, and the
    training images whose features are nearest."""

    image: str
    label: str
    top5: list[tuple[str, float]]
    neighbours: list[Neighbour] = field(default_factory=list)


@dataclass(frozen=True)
class Pictures:
    """The pictures of one run."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    run_id: str
    variant: str
    seed: int
    kernels: list[str]  # base64 PNG a kernel
    examples: list[Example]
    searched: int = 0  # training images among which the neighbours were looked for


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
    """Return the pixels (height, width, 3) of a base64 PNG."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image.convert("RGB"))


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
        write_text_safely(text, folder / kind / f"{pictures.variant}-seed{pictures.seed}.json")


def read_folder(folder: Path, run_ids: Sequence[str]) -> tuple[list[Pictures], list[str]]:
    """Return the pictures of these runs, and a line a file that is not one; older ones of other
    runs are passed over."""
    kept: dict[str, list[Pictures]] = {"pictures": [], "examples": []}
    refusals = []
    for kind, found in kept.items():
        for path in sorted((folder / kind).glob("*.json")):
            try:
                found.append(_ADAPTER.validate_json(read_bytes(path)))
            except (ValidationError, OSError):
                refusals.append(f"{path}: is not a file of pictures; delete it")
    apart = {each.run_id: each.examples for each in kept["examples"]}
    shown = [each for each in kept["pictures"] if each.run_id in run_ids]
    return [
        replace(each, examples=apart.get(each.run_id, each.examples)) for each in shown
    ], refusals
