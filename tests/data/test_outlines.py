import numpy as np
import pytest

from alexbench.data.glyphs import TEST_FONTS, TRAIN_FONTS
from alexbench.data.outlines import OUTLINES, SAMPLES, UNITS, edges, every_font, letter_masks, mask
from tests.data.extract_letters import FOLDER, extract

ON = 1


def square(low: int, high: int) -> np.ndarray:
    """A closed loop of four edges, counter-clockwise."""
    points = np.array([(low, low), (high, low), (high, high), (low, high)])
    return edges(points, [3], bytes([ON] * 4))


def test_a_square_covers_the_pixels_inside_it():
    # Height 3 of the letter is 3/5 of the mask, so in a mask of 10 pixels the square has 6.
    drawn = mask(square(0, 3), 3 * UNITS, 10)
    expected = np.zeros((10, 10), dtype=np.uint8)
    expected[2:8, 2:8] = 255
    np.testing.assert_array_equal(drawn, expected)


def test_a_pixel_half_covered_has_half_the_value():
    drawn = mask(square(0, 3), 3 * UNITS, 15)  # nine pixels wide in fifteen: edges on the grid
    np.testing.assert_array_equal(np.unique(drawn), [0, 255])
    drawn = mask(square(0, 3), 3 * UNITS, 5)  # three in five
    np.testing.assert_array_equal(drawn[:, 2], [0, 255, 255, 255, 0])
    drawn = mask(square(0, 3), 4 * UNITS, 10)  # 4.5 pixels: from 2.75 to 7.25
    assert drawn[5, 2] == 255 * 1 // SAMPLES


def test_a_loop_that_turns_the_other_way_is_a_hole():
    outer, inner = square(0, 3), square(1, 2)[:, ::-1]
    drawn = mask(np.concatenate([outer, inner]), 3 * UNITS, 10)
    assert drawn[5, 5] == 0
    assert drawn[3, 3] == 255


def test_two_loops_that_turn_the_same_way_are_both_inside():
    drawn = mask(np.concatenate([square(0, 3), square(1, 2)]), 3 * UNITS, 10)
    assert drawn[5, 5] == 255


def test_a_curve_goes_through_the_middle_of_its_control_polygon():
    # On (0, 0), control (4, 8), on (8, 0): the quadratic is at (4, 4) half way.
    points = np.array([(0, 0), (4, 8), (8, 0)])
    corners = edges(points, [2], bytes([ON, 0, ON]))[:, 0]
    assert [4 * UNITS, 4 * UNITS] in corners.tolist()


def test_between_two_controls_the_outline_passes_through_their_middle():
    points = np.array([(0, 0), (0, 8), (8, 8), (8, 0)])
    corners = edges(points, [3], bytes([ON, 0, 0, ON]))[:, 0]
    assert [4 * UNITS, 8 * UNITS] in corners.tolist()


def test_letters_stay_inside_their_masks_and_stand_upright():
    masks = letter_masks(("DejaVuSans.ttf", "cmr10.ttf"), 64)
    assert masks.shape == (2, 26, 64, 64)
    border = np.ones((64, 64), dtype=bool)
    border[1:-1, 1:-1] = False
    assert not masks[:, :, border].any()
    t, o = masks[0, ord("T") - ord("A")], masks[0, ord("O") - ord("A")]
    assert t[:32].sum() > t[32:].sum()  # its bar is on top
    assert o[32, 32] == 0  # a hole
    assert o[32].any()


@pytest.mark.parametrize("font", TRAIN_FONTS + TEST_FONTS)
def test_the_outlines_of_the_package_are_those_of_the_font(font):
    if not (FOLDER / font).is_file():
        pytest.skip("this matplotlib has no such font")
    assert every_font()[font] == extract(font)


def test_the_outlines_are_of_these_fonts_alone_and_have_their_licences():
    assert tuple(every_font()) == TRAIN_FONTS + TEST_FONTS
    licences = {"DejaVu": "LICENSE_DEJAVU", "STIX": "LICENSE_STIX", "cm": "LICENSE_BAKOMA"}
    for font in every_font():
        name = next(name for start, name in licences.items() if font.startswith(start))
        assert (OUTLINES.parent / name).is_file()
