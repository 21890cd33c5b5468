"""Which classes a variant confuses, from the confusion counts of its runs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alexbench.runs.record import RunRecord


class ClassRow(NamedTuple):
    """A class in percent: of what was called it, how much was it; of it, how much was found."""

    name: str
    precision: float
    recall: float
    f1: float
    images: int


class ConfusionCell(NamedTuple):
    """A cell of the confusion matrix: ``share`` of the true class, from 0 to 1."""

    true: int
    predicted: int
    images: int
    share: float


def pooled_confusion(runs: Sequence[RunRecord]) -> np.ndarray | None:
    """Return true x predicted counts over all runs that have them, or None if none has."""
    kept = [np.asarray(run.confusion) for run in runs if run.confusion is not None]
    return np.sum(kept, axis=0) if kept else None


def class_rows(counts: np.ndarray, names: Sequence[str]) -> list[ClassRow]:
    """Return precision, recall and F1 of each class; NaN where a share of nothing is asked."""
    rows = []
    for index, name in enumerate(names):
        right = int(counts[index, index])
        precision = percent(right, int(counts[:, index].sum()))
        recall = percent(right, int(counts[index].sum()))
        total = int(counts[:, index].sum() + counts[index].sum())
        rows.append(
            ClassRow(name, precision, recall, percent(2 * right, total), int(counts[index].sum()))
        )
    return rows


def percent(part: int, whole: int) -> float:
    """Returns the part in percent of the whole; NaN of nothing."""
    return 100 * part / whole if whole else math.nan


def cells(counts: np.ndarray) -> list[ConfusionCell]:
    """Return the cells that are not empty, row by row."""
    totals = np.maximum(counts.sum(axis=1), 1)
    return [
        ConfusionCell(int(true), int(predicted), int(counts[true, predicted]), share)
        for true, predicted in np.argwhere(counts)
        for share in [float(counts[true, predicted] / totals[true])]
    ]


def worst(counts: np.ndarray, names: Sequence[str], most: int = 5) -> list[tuple[str, str, int]]:
    """Return the commonest confusions: (true class, called, images)."""
    wrong = [cell for cell in cells(counts) if cell.true != cell.predicted]
    wrong.sort(key=lambda cell: (-cell.images, cell.true, cell.predicted))
    return [(names[cell.true], names[cell.predicted], cell.images) for cell in wrong[:most]]
