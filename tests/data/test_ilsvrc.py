"""ILSVRC as it is handed out: class words, and a flat val/ with its labels in files beside it."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from alexbench.config.schema import DataConfig
from alexbench.data import HeldSplit, load
from alexbench.data.ilsvrc import GROUND_TRUTH, LOC_IMAGES, MAPPING, META, SOLUTION
from alexbench.errors import BadInput
from tests.data.images import noise

DATA = DataConfig(name="imagefolder", image_size=8)
# in the order of the kit, which is not that of the names
SYNSETS = {
    1: ("n02119789", "kit fox, Vulpes macrotis"),
    2: ("n02012849", "crane"),
    3: ("n00001740", "crane"),
}
KIT = "ILSVRC2012_devkit_t12/data"


def write_meta(folder: Path) -> None:
    """meta.mat with three classes and a parent, in the fields of the real one."""
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(number, synset, words, 0) for number, (synset, words) in SYNSETS.items()]
    folder.mkdir(parents=True, exist_ok=True)
    synsets = np.array([*rows, (1001, "n00000001", "entity", 3)], dtype=kinds)[:, None]
    scipy.io.savemat(folder / META, {"synsets": synsets})


def write_images(root: Path, labels: list[int]) -> None:
    """train/<synset>/ with an image each, and val/ with an image a label and no folders."""
    for number, (synset, _) in SYNSETS.items():
        (root / "train" / synset).mkdir(parents=True)
        noise(number, 8, 8).save(root / "train" / synset / f"{synset}_1.JPEG")
    (root / "val").mkdir()
    for number in range(1, len(labels) + 1):
        noise(50 + number, 8, 8).save(root / "val" / f"ILSVRC2012_val_{number:08}.JPEG")


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """Training folders, a flat val/ of four images, and the development kit in its place."""
    root = tmp_path / "ilsvrc"
    labels = [3, 1, 2, 1]
    write_images(root, labels)
    write_meta(root / KIT)
    (root / KIT / GROUND_TRUTH).write_text("".join(f"{label}\n" for label in labels))
    return root


@pytest.fixture
def loc(tmp_path: Path) -> Path:
    """The same set in its LOC form: images further down, a mapping and a table of boxes."""
    root = tmp_path / "loc"
    write_images(root / LOC_IMAGES, [3, 1, 2, 1])
    lines = [f"{synset} {words}\n" for synset, words in sorted(SYNSETS.values())]
    (root / MAPPING).write_text("".join(lines))
    rows = [
        f"ILSVRC2012_val_{n:08},{SYNSETS[k][0]} 1 2 3 4 {SYNSETS[k][0]} 5 6 7 8 \n"
        for n, k in ((2, 1), (1, 3), (4, 1), (3, 2))
    ]
    (root / SOLUTION).write_text("ImageId,PredictionString\n" + "".join(rows))
    return root


def refusal(root: Path) -> str:
    with pytest.raises(BadInput) as raised:
        load(DATA, root, root.parent / "cache")
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("form", ["kit", "loc"])
def test_a_flat_validation_folder_needs_no_reshuffling(form: str, request: pytest.FixtureRequest):
    data = load(DATA, request.getfixturevalue(form), request.getfixturevalue("tmp_path") / "cache")
    # sorted by synset: n00001740, n02012849, n02119789; classes take turns in the test set
    assert data.classes == ("crane (n00001740)", "crane (n02012849)", "kit fox")
    assert data.test.labels.tolist() == [0, 1, 2, 2]
    for at, number in enumerate((1, 3, 2, 4)):
        path = next(request.getfixturevalue(form).rglob(f"ILSVRC2012_val_{number:08}.JPEG"))
        assert isinstance(data.test, HeldSplit)
        assert np.array_equal(data.test.images[at].numpy(), pixels(path))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_without_a_file_of_words_the_folders_name_the_classes(kit: Path):
    for index, name in enumerate(sorted(synset for synset, _ in SYNSETS.values())):
        (kit / "val" / name).mkdir()
        (kit / "val" / f"ILSVRC2012_val_{index + 1:08}.JPEG").rename(kit / "val" / name / "1.JPEG")
    (kit / "val" / "ILSVRC2012_val_00000004.JPEG").unlink()
    (kit / KIT / META).unlink()
    assert load(DATA, kit, kit.parent / "cache").classes == ("n00001740", "n02012849", "n02119789")


def test_labels_and_images_that_differ_in_number_are_counted(kit: Path, loc: Path):
    (kit / "val" / "ILSVRC2012_val_00000004.JPEG").unlink()
    assert f"{GROUND_TRUTH}: 4 labels for the 3 images in" in refusal(kit)
    (loc / LOC_IMAGES / "val" / "ILSVRC2012_val_00000004.JPEG").unlink()
    assert f"{SOLUTION}: 4 labels for the 3 images in" in refusal(loc)


@pytest.mark.parametrize("wrong", ["1001", "0", "fox", ""])
def test_an_unknown_id_is_named_with_its_line(kit: Path, wrong: str):
    (kit / KIT / GROUND_TRUTH).write_text(f"3\n{wrong}\n2\n1\n")
    assert f"line 2: {wrong!r} is not an id in meta.mat (there: 1 to 3)" in refusal(kit)


def test_an_image_without_a_row_is_named(loc: Path):
    val = loc / LOC_IMAGES / "val"
    (val / "ILSVRC2012_val_00000004.JPEG").rename(val / "other.JPEG")
    assert "has no row for 'other.JPEG'" in refusal(loc)


def test_ids_need_the_file_that_says_what_they_count(kit: Path):
    (kit / KIT / META).unlink()
    assert "its ids need meta.mat of the same kit" in refusal(kit)


def test_a_file_that_is_no_meta_mat_is_named(kit: Path):
    (kit / KIT / META).write_bytes(b"x")
    assert "meta.mat: is not the meta.mat of the ILSVRC-2012 kit" in refusal(kit)


def test_images_that_nothing_labels_are_refused(kit: Path):
    (kit / KIT / GROUND_TRUTH).unlink()
    line = refusal(kit)
    assert "images without class folders" in line
    assert SOLUTION in line


def test_a_class_folder_that_the_file_of_words_lacks_is_named(kit: Path):
    (kit / "train" / "n99999999").mkdir()
    noise(9, 8, 8).save(kit / "train" / "n99999999" / "1.JPEG")
    assert "has no synset 'n99999999'" in refusal(kit)


def test_a_label_without_a_class_folder_is_named(kit: Path):
    (kit / "train" / "n02119789" / "n02119789_1.JPEG").unlink()
    (kit / "train" / "n02119789").rmdir()
    assert "ILSVRC2012_val_00000002.JPEG is of synset 'n02119789'" in refusal(kit)


def test_a_byte_order_mark_is_no_part_of_a_label(kit: Path, loc: Path):
    before = [load(DATA, root, root.parent / "cache") for root in (kit, loc)]
    for path in (kit / KIT / GROUND_TRUTH, loc / SOLUTION, loc / MAPPING):
        path.write_text(path.read_text(), encoding="utf-8-sig")
    after = [load(DATA, root, root.parent / "new") for root in (kit, loc)]
    assert [each.sha256 for each in after] == [each.sha256 for each in before]
    assert [each.classes for each in after] == [each.classes for each in before]


def test_an_image_or_a_synset_that_is_labelled_twice_otherwise_is_named(loc: Path):
    solution, mapping = loc / SOLUTION, loc / MAPPING
    whole = solution.read_text()
    solution.write_text(f"{whole}ILSVRC2012_val_00000001,n02012849 1 1 2 2\n")
    assert "'ILSVRC2012_val_00000001' is 'n00001740' in one line, 'n02012849' in an" in refusal(loc)
    solution.write_text(whole)
    mapping.write_text(f"{mapping.read_text()}n02119789 red fox\n")
    assert "'n02119789' is 'kit fox, Vulpes macrotis' in one line, 'red fox' in a" in refusal(loc)
