"""The gap in colour between the columns, told from records alone."""

from dataclasses import replace

from alexbench.report.kernel_figure import caption, kernels
from tests.records import make


def test_the_gap_stands_beside_what_chance_would_give():
    split, whole = make("two_columns", 0), make("one_column", 0)
    measured = split.measurements | {"kernel_saturations": [0.0, 0.0, 90.0, 90.0]}
    said = caption([replace(split, measurements=measured), whole])
    assert "two_columns 90.00 (dealt by chance " in said
    assert "one_column" not in said


def test_nets_without_columns_have_neither_gap_nor_figure():
    assert caption([make("one_column", 0)]) == ""
    assert kernels([make("one_column", 0)], []) is None
