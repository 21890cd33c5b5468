"""The gap in colour between the columns, told from records alone."""

from dataclasses import replace

import numpy as np

from alexbench.report.kernel_figure import caption, kernels
from alexbench.runs.pictures import Pictures, to_png
from tests.records import make


def test_the_gap_stands_beside_what_chance_would_give():
    split, whole = make("two_columns", 0), make("one_column", 0)
    measured = split.measurements | {"kernel_saturations": [0.0, 0.0, 90.0, 90.0]}
    said = caption([replace(split, measurements=measured), whole])
    assert "two_columns 90.00 (dealt by chance " in said
    assert "one_column" not in said


def test_a_single_kernel_has_no_second_column_to_be_drawn():
    split = make("two_columns", 0)
    split = replace(split, measurements=split.measurements | {"kernel_saturations": [0.0, 90.0]})
    png = to_png(np.zeros((5, 5, 3), np.uint8))
    kept = [
        Pictures(split.run_id, "two_columns", 0, kernels=[png] * count, examples=[])
        for count in (1, 2)
    ]
    assert kernels([split], kept[:1]) is None
    assert len(kernels([split], kept[1:]).axes) == 2


def test_nets_without_columns_have_neither_gap_nor_figure():
    assert caption([make("one_column", 0)]) == ""
    assert kernels([make("one_column", 0)], []) is None
