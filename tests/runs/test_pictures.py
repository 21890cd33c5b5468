"""Kernels and predictions are kept as pictures that a page only embeds."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from alexbench.runs import pictures
from alexbench.runs.pictures import Example, Pictures

PNG, OTHER = (pictures.to_png(np.full((4, 4, 3), grey, np.uint8)) for grey in (0, 9))


def pixels(png: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGB"))


def test_a_weight_of_zero_is_grey_and_the_largest_is_white_or_black() -> None:
    weights = np.zeros((2, 3, 1, 2))
    weights[1, :, 0, :] = [[2.0, -2.0]] * 3
    first, second = map(pixels, pictures.kernels_to_png(weights))
    assert first.tolist() == [[[128] * 3, [128] * 3]]
    assert second.tolist() == [[[255] * 3, [0] * 3]]


def test_a_net_of_zeros_is_grey_all_over() -> None:
    assert set(pixels(pictures.kernels_to_png(np.zeros((1, 3, 2, 2)))[0]).ravel()) == {128}


def test_examples_show_the_five_likeliest_classes_in_order() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    chances = np.array([[0.05, 0.4, 0.3, 0.1, 0.1, 0.05]])
    (example,) = pictures.examples(image, [2], chances, list("abcdef"))
    assert example.label == "c"
    assert example.top5 == [("b", 40), ("c", 30), ("d", 10), ("e", 10), ("a", 5)]
    assert (pixels(example.image) == image[0]).all()


def test_a_large_image_is_reduced() -> None:
    png = pictures.to_png(np.zeros((224, 224, 3), np.uint8))
    assert pixels(png).shape == (pictures.SIDE, pictures.SIDE, 3)


def test_pictures_are_read_back_for_the_runs_that_are_reported(tmp_path: Path) -> None:
    mine = Pictures("id-1", "none", 0, [PNG], [Example(PNG, "a", [("a", 99.5)])])
    other = Pictures("id-2", "both", 0, [], [])
    for each in (mine, other):
        pictures.write(each, tmp_path, "embedded")
    assert pictures.read_folder(tmp_path, {"id-1": None}) == ([mine], [])
    assert not (tmp_path / "examples").exists()


def test_each_rate_of_a_variant_keeps_its_own_pictures(tmp_path: Path) -> None:
    low, high = (Pictures(name, "none", 0, [PNG], []) for name in ("low rate", "high rate"))
    for each in (low, high):
        pictures.write(each, tmp_path, "embedded")
    for each in (low, high):
        assert pictures.read_folder(tmp_path, {each.run_id: "none-seed0"}) == ([each], [])


def test_pictures_are_found_under_the_name_that_they_had_before_and_shown_once(
    tmp_path: Path,
) -> None:
    mine = Pictures("id-1", "none", 0, [PNG], [])
    pictures.write(mine, tmp_path, "embedded")
    (new,) = (tmp_path / "pictures").iterdir()
    (tmp_path / "pictures" / "none-seed0.json").write_text(new.read_text())
    assert pictures.read_folder(tmp_path, {"id-1": "none-seed0"}) == ([mine], [])
    new.unlink()
    assert pictures.read_folder(tmp_path, {"id-1": "none-seed0"}) == ([mine], [])


def test_images_that_are_not_our_own_lie_apart_and_are_read_back(tmp_path: Path) -> None:
    mine = Pictures("id-1", "none", 0, [PNG], [Example(OTHER, "a", [("a", 99.5)])], 7)
    pictures.write(mine, tmp_path, "image folder")
    assert OTHER not in (tmp_path / "pictures" / "none-seed0-id-1.json").read_text()
    assert pictures.read_folder(tmp_path, {"id-1": None}) == ([mine], [])
    (tmp_path / "examples" / "none-seed0-id-1.json").unlink()  # as in a fresh clone
    ((kept,), _) = pictures.read_folder(tmp_path, {"id-1": None})
    assert (kept.kernels, kept.examples) == ([PNG], [])


def test_a_file_that_holds_no_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "none-seed0.json").write_text("{}")
    found, refusals = pictures.read_folder(tmp_path, [])
    assert found == []
    assert refusals == [
        f"{tmp_path / 'pictures' / 'none-seed0.json'}: is not a file of pictures; delete it"
    ]


def test_without_a_folder_there_are_no_pictures(tmp_path: Path) -> None:
    assert pictures.read_folder(tmp_path, {"id-1": None}) == ([], [])
