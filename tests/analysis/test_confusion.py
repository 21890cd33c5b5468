"""Confusion counts and what is read off them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from alexbench.analysis import confusion
from tests.records import make


def test_precision_recall_and_f1_by_hand() -> None:
    # 4 of class a: 3 found, 1 called b. 6 of class b: 4 found, 2 called a. Class c is empty.
    counts = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    a, b, c = confusion.class_rows(counts, ["a", "b", "c"])
    assert a == ("a", 60.0, 75.0, pytest.approx(200 / 3), 4)
    assert b == ("b", 80.0, pytest.approx(200 / 3), pytest.approx(800 / 11), 6)
    assert math.isnan(c.precision)
    assert math.isnan(c.recall)
    assert c.images == 0
    assert confusion.worst(counts, ["a", "b", "c"]) == [("b", "a", 2), ("a", "b", 1)]


def test_confusions_are_pooled_over_the_runs_that_have_one() -> None:
    counts = ([[1, 2], [3, 4]], [[1, 0], [0, 1]], None)
    runs = [replace(make(), confusion=each) for each in counts]
    pooled = confusion.pooled_confusion(runs)
    assert pooled is not None
    assert pooled.tolist() == [[2, 2], [3, 5]]
    assert confusion.pooled_confusion(runs[2:]) is None
