import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from alexbench.config.schema import DataConfig
from alexbench.data import load
from alexbench.data.glyphs import TEST_FONTS, TRAIN_FONTS, letters, posed, quads
from alexbench.errors import BadInput


class Still:
    """A stream whose every draw is the middle of its range, or the value given for it."""

    def __init__(self, *values: int) -> None:
        self.values = list(values)

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        value = self.values.pop(0) if self.values else (low + high) // 2
        return np.full(shape, value, dtype=np.int32)


def test_the_same_bytes_are_drawn_on_every_machine():
    # The same under numpy 2.0 and 2.4, without
    # AVX2. A change here makes another data set: say so in the changelog.
    drawn = letters(104, TRAIN_FONTS, 0, 32)
    expected = "922106508c26e9ccca1642f6093b2e2d79325a60f16bdbedfb583df12a2560a0"
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == expected


def test_a_smaller_set_is_the_beginning_of_a_larger_one():
    small, large = letters(30, TEST_FONTS, 1, 16), letters(130, TEST_FONTS, 1, 16)
    np.testing.assert_array_equal(small, large[:30])
    assert not np.array_equal(large[:26], large[104:])


def test_the_splits_share_no_font_and_no_image():
    assert not set(TRAIN_FONTS) & set(TEST_FONTS)
    assert not np.array_equal(letters(50, TEST_FONTS, 0, 16), letters(50, TEST_FONTS, 1, 16))


def test_letters_come_in_turn_so_that_every_prefix_is_balanced(tmp_path: Path):
    data = DataConfig(name="glyphs", image_size=16, train_images=60, test_images=27)
    made = load(data, None, tmp_path)
    assert made.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert made.source == "embedded"
    assert made.train.labels.tolist() == [i % 26 for i in range(60)]
    assert made.train.images.shape == (60, 16, 16, 3)
    assert made.train.images.dtype == torch.uint8
    assert len(made.test.labels) == 27


def test_a_second_load_reads_the_same_set_from_the_cache(tmp_path: Path):
    data = DataConfig(name="glyphs", image_size=16, train_images=26, test_images=26)
    first = load(data, None, tmp_path)
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    assert load(data, None, tmp_path).sha256 == first.sha256
    assert file.stat().st_mtime_ns == written


def test_a_letter_without_turn_or_shift_is_its_mask_scaled_down():
    shape = np.zeros((16, 16), dtype=np.uint8)
    shape[4:12, 4:12] = 255
    # turn, shear, height (256: the mask fills the image)
    drawn = posed(quads(shape[None]), np.zeros((1, 2), np.int32), 8, Still(0, 0, 256))
    expected = np.zeros((8, 8))
    expected[2:6, 2:6] = 255
    np.testing.assert_array_equal(drawn[0], expected)


def test_a_shift_moves_a_letter_to_the_right_and_down():
    shape = np.zeros((16, 16), dtype=np.uint8)
    shape[6:10, 6:10] = 255
    shift = np.array([[64, 32]], dtype=np.int32)  # a quarter and an eighth of the image
    drawn = posed(quads(shape[None]), shift, 8, Still(0, 0, 256))
    rows, columns = np.nonzero(drawn[0])
    assert rows.tolist() == [4, 4, 5, 5]
    assert columns.tolist() == [5, 6, 5, 6]


def test_a_turn_keeps_the_area_of_a_letter():
    shape = np.zeros((32, 32), dtype=np.uint8)
    shape[8:24, 12:20] = 255
    still = posed(quads(shape[None]), np.zeros((1, 2), np.int32), 32, Still(0, 0, 256))
    turned = posed(quads(shape[None]), np.zeros((1, 2), np.int32), 32, Still(45, 0, 256))
    assert not np.array_equal(still, turned)
    assert turned.sum() == pytest.approx(still.sum(), rel=0.02)


def test_a_root_for_data_that_is_drawn_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="glyphs are drawn, not read"):
        load(DataConfig(name="glyphs"), tmp_path, tmp_path)
