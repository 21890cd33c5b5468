"""The files of softmax outputs on the test images, kept for variants that average them.

No torch here.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alexbench.errors import BadInput, RunFailed
from alexbench.runs import files


def write(outputs: Mapping[str, np.ndarray], labels: np.ndarray, path: Path) -> None:
    """Write outputs (test images, classes) by their views, with the labels; raises RunFailed."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {"labels": labels, **outputs}
    np.savez_compressed(content, **arrays)
    files.write_safely([content.getbuffer()], path)


def views(path: Path) -> list[str]:
    """The views whose outputs are there; none where there is no such file, or a damaged one."""
    try:
        with files.open_npz(path) as kept:
            return [name for name in kept.files if name != "labels"]
    except BadInput:
        return []


def read(path: Path) -> dict[str, np.ndarray]:
    """The labels, and the outputs by their views; raises RunFailed for a damaged file."""
    try:
        with files.open_npz(path) as kept:
            return {name: kept[name] for name in kept.files}
    except BadInput:
        raise RunFailed(f"{path}: is damaged; delete it, and its net is trained again") from None
