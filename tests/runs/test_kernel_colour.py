"""Colour saturation of kernels, and the gap between two columns, by hand."""

import numpy as np
import pytest

from alexbench.runs.kernel_colour import gap, saturations, shuffled_gap


def test_a_grey_kernel_has_none_and_one_blind_to_grey_has_all():
    grey = np.ones((3, 2, 2))
    red_against_green = np.stack([np.ones((2, 2)), -np.ones((2, 2)), np.zeros((2, 2))])
    red = np.stack([np.ones((2, 2)), np.zeros((2, 2)), np.zeros((2, 2))])
    found = saturations(np.stack([grey, red_against_green, red]))
    assert found == pytest.approx([0, 100, 100 * (2 / 3) ** 0.5])


def test_the_gap_is_between_the_means_of_the_halves_whichever_is_more_colourful():
    assert gap([10, 20, 60, 80]) == gap([60, 80, 10, 20]) == 55


def test_chance_gives_a_smaller_gap_than_columns_that_split_colour_from_form():
    # of the six ways to deal 0, 0, 100, 100 to two columns, two have a gap of 100, four have none
    assert shuffled_gap([0, 0, 100, 100]) == pytest.approx(100 / 3, abs=5)
    assert shuffled_gap([50] * 8) == 0
    assert shuffled_gap([1, 2, 3, 4]) == shuffled_gap([1, 2, 3, 4])  # the same on every machine
