import os
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexbench.data.decode import decode
from alexbench.errors import RunFailed


def saved(folder: Path, image: Image.Image, name: str = "image.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def colour_of(path: Path) -> list[int]:
    """The colour of an image that has one only."""
    pixels = decode(path, 4)
    assert pixels is not None
    assert pixels.shape == (4, 4, 3)
    (colour,) = np.unique(pixels.reshape(-1, 3), axis=0)
    return colour.tolist()


def test_rgb_is_kept(tmp_path: Path):
    assert colour_of(saved(tmp_path, Image.new("RGB", (9, 6), (10, 20, 30)))) == [10, 20, 30]


def test_grey_is_repeated(tmp_path: Path):
    assert colour_of(saved(tmp_path, Image.new("L", (9, 6), 77))) == [77, 77, 77]


def test_black_and_white_is_repeated(tmp_path: Path):
    assert colour_of(saved(tmp_path, Image.new("1", (9, 6), 1))) == [255, 255, 255]


def test_sixteen_bits_become_eight(tmp_path: Path):
    grey = np.full((6, 9), 0x8123, dtype=np.uint16)
    assert colour_of(saved(tmp_path, Image.fromarray(grey))) == [0x81] * 3


def test_cmyk_is_converted(tmp_path: Path):
    path = saved(tmp_path, Image.new("CMYK", (9, 6), (0, 255, 255, 0)), "red.jpg")
    red, green, blue = colour_of(path)
    assert red > 250
    assert green < 5
    assert blue < 5


def test_a_palette_is_looked_up(tmp_path: Path):
    image = Image.new("P", (9, 6), 1)
    image.putpalette([0, 0, 0, 40, 50, 60])
    assert colour_of(saved(tmp_path, image)) == [40, 50, 60]


def test_transparency_is_laid_over_white(tmp_path: Path):
    assert colour_of(saved(tmp_path, Image.new("RGBA", (9, 6), (200, 0, 0, 0)))) == [255] * 3
    assert colour_of(saved(tmp_path, Image.new("LA", (9, 6), (0, 0)))) == [255] * 3
    half = colour_of(saved(tmp_path, Image.new("RGBA", (9, 6), (0, 0, 0, 128))))
    assert half == [127, 127, 127]
    image = Image.new("P", (9, 6), 1)
    image.putpalette([0, 0, 0, 40, 50, 60])
    assert colour_of(saved(tmp_path, image, transparency=1)) == [255] * 3


def test_the_shortest_side_is_resized_and_the_centre_kept(tmp_path: Path):
    wide = Image.effect_noise((16, 8), 90).convert("RGB")
    expected = np.asarray(wide.resize((8, 4), Image.Resampling.BILINEAR))[:, 2:6]
    np.testing.assert_allclose(decode(saved(tmp_path, wide), 4), expected, atol=1)
    tall = wide.transpose(Image.Transpose.TRANSPOSE)
    expected = np.asarray(tall.resize((4, 8), Image.Resampling.BILINEAR))[2:6]
    np.testing.assert_allclose(decode(saved(tmp_path, tall), 4), expected, atol=1)


def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(saved(tmp_path, Image.fromarray(pixels)), 4), pixels)


def test_the_orientation_of_exif_is_ignored(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path = saved(tmp_path, Image.fromarray(pixels), exif=exif)
    np.testing.assert_array_equal(decode(path, 4), pixels)


@pytest.mark.parametrize("kind", ["text", "empty", "cut short", "missing"])
def test_what_is_no_image_is_none(tmp_path: Path, kind: str):
    path = tmp_path / "broken.jpg"
    if kind == "text":
        path.write_text("not an image")
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "cut short":
        Image.effect_noise((64, 64), 90).save(path)
        path.write_bytes(path.read_bytes()[:600])
    assert decode(path, 4) is None


def test_grey_of_32_bits_is_read_by_its_range(tmp_path: Path):
    def grey(value: float, kind: type) -> Path:
        return saved(tmp_path, Image.fromarray(np.full((6, 9), value, dtype=kind)), "image.tiff")

    assert colour_of(grey(0.5, np.float32)) == [128] * 3
    assert colour_of(grey(77.0, np.float32)) == [77] * 3
    assert colour_of(grey(200, np.int32)) == [200] * 3
    assert colour_of(grey(0x8123, np.int32)) == [0x81] * 3
    for value, kind in ((-1, np.int32), (70_000, np.int32), (np.nan, np.float32)):
        assert decode(grey(value, kind), 4) is None


def test_a_file_that_cannot_be_read_now_is_not_said_to_be_no_image(tmp_path: Path):
    path = saved(tmp_path, Image.new("RGB", (9, 6), (10, 20, 30)))
    assert colour_of(path) == [10, 20, 30]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(RunFailed, match=r"image\.png: cannot be read now: Too many open files"):
            decode(path, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert colour_of(path) == [10, 20, 30]


def test_a_fifo_is_no_image_and_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "image.png")
    assert decode(tmp_path / "image.png", 4) is None
