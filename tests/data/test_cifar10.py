from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexbench.config.schema import DataConfig
from alexbench.data import Dataset, HeldSplit, load
from alexbench.data.cifar10 import BINARY, CLASSES, PYTHON, TEST_FILE, TRAIN_FILES
from alexbench.errors import BadInput

DATA = DataConfig(name="cifar10", image_size=32)


def records(seed: int, count: int = 20) -> np.ndarray:
    """Records of the binary layout; labels 0..9 in turn."""
    made = np.random.default_rng(seed).integers(0, 256, (count, 3073), dtype=np.uint8)
    made[:, 0] = np.arange(count) % 10
    return made


def write_binary(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate((*TRAIN_FILES, TEST_FILE)):
        records(seed).tofile(folder / name)
    return folder


def write_images(root: Path, suffix: str) -> Path:
    """The image folder of the images that write_binary writes."""
    for split, seeds in (("train", range(5)), ("test", [5])):
        for seed in seeds:
            for number, record in enumerate(records(seed)):
                folder = root / split / CLASSES[record[0]]
                folder.mkdir(parents=True, exist_ok=True)
                pixels = record[1:].reshape(3, 32, 32).transpose(1, 2, 0)
                Image.fromarray(pixels).save(folder / f"{seed}{number:02}{suffix}")
    return root


def images(found: Dataset) -> torch.Tensor:
    assert isinstance(found.train, HeldSplit)
    return found.train.images


def test_the_binary_layout_is_read(tmp_path: Path):
    write_binary(tmp_path / BINARY)
    found = load(DATA, tmp_path, tmp_path / "cache")
    assert found.classes == CLASSES
    assert found.source == "binary"
    assert (len(found.train.labels), len(found.test.labels)) == (100, 20)
    assert images(found).shape == (100, 32, 32, 3)
    record = records(0)[3]
    assert found.train.labels[3] == record[0]
    # red, green and blue of the pixel in row 2, column 5
    expected = [record[1 + channel * 1024 + 2 * 32 + 5] for channel in range(3)]
    assert images(found)[3, 2, 5].tolist() == expected


def test_the_folder_itself_may_be_given(tmp_path: Path):
    whole = load(DATA, write_binary(tmp_path / BINARY), tmp_path / "cache")
    assert whole.sha256 == load(DATA, tmp_path, tmp_path / "cache").sha256


def test_a_lossless_image_folder_is_the_same_data_set(tmp_path: Path):
    binary = load(DATA, write_binary(tmp_path / BINARY), tmp_path / "cache")
    folder = load(DATA, write_images(tmp_path / "png", ".png"), tmp_path / "cache")
    assert folder.source == "image folder"
    assert folder.sha256 == binary.sha256


def test_a_jpeg_copy_is_called_one(tmp_path: Path):
    found = load(DATA, write_images(tmp_path / "jpg", ".jpg"), tmp_path / "cache")
    assert found.source == "image folder (JPEG copy)"


def test_the_first_so_many_are_balanced(tmp_path: Path):
    write_binary(tmp_path / BINARY)
    few = DATA.model_copy(update={"train_images": 30, "test_images": 10})
    found = load(few, tmp_path, tmp_path / "cache")
    assert found.train.labels.tolist() == list(range(10)) * 3
    many = DATA.model_copy(update={"train_images": 101})
    with pytest.raises(BadInput, match=r"data\.train_images: 101 images asked for"):
        load(many, tmp_path, tmp_path / "cache")


def test_a_damaged_or_missing_file_is_named(tmp_path: Path):
    folder = write_binary(tmp_path / BINARY)
    (folder / "data_batch_3.bin").write_bytes(b"x" * 3000)
    with pytest.raises(BadInput, match=r"data_batch_3\.bin: is damaged"):
        load(DATA, tmp_path, tmp_path / "cache")
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(BadInput, match=r"data_batch_3\.bin: No such file"):
        load(DATA, tmp_path, tmp_path / "cache")


def test_a_label_above_nine_is_damage(tmp_path: Path):
    folder = write_binary(tmp_path / BINARY)
    wrong = records(1)
    wrong[4, 0] = 10
    wrong.tofile(folder / "data_batch_2.bin")
    with pytest.raises(BadInput, match=r"data_batch_2\.bin: is damaged"):
        load(DATA, tmp_path, tmp_path / "cache")


def test_pickles_that_fail_their_md5_sums_are_not_read(tmp_path: Path):
    (tmp_path / PYTHON).mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (tmp_path / PYTHON / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(BadInput, match="MD5"):
        load(DATA, tmp_path, tmp_path / "cache")


def test_a_root_without_a_copy_says_what_is_looked_for(tmp_path: Path):
    with pytest.raises(BadInput, match=f"no CIFAR-10 here: .*{BINARY}.*train/<class>") as raised:
        load(DATA, tmp_path, tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_a_copy_in_the_folder_datasets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_binary(tmp_path / "datasets" / BINARY)
    assert load(DATA, None, tmp_path / "cache").source == "binary"


def test_without_copy_and_network_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(BadInput, match=r"no download .*--data-root needs") as raised:
        load(DATA, None, tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_an_image_folder_with_other_classes_is_no_cifar10(tmp_path: Path):
    root = write_images(tmp_path / "png", ".png")
    for split in ("train", "test"):
        (root / split / "wolf").mkdir()
        Image.new("RGB", (32, 32)).save(root / split / "wolf" / "0.png")
    with pytest.raises(BadInput, match="has 11 classes, CIFAR-10 has airplane"):
        load(DATA, root, tmp_path / "cache")


def test_another_image_size_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match=r"data\.image_size: .* 32 pixels, not 48"):
        load(DATA.model_copy(update={"image_size": 48}), tmp_path, tmp_path / "cache")


def test_jpeg_files_are_noted_whatever_the_case_of_their_ending(tmp_path: Path):
    root = write_images(tmp_path / "copy", ".JPG")
    assert load(DATA, root, tmp_path / "cache").source == "image folder (JPEG copy)"


def test_images_of_another_size_are_not_shrunk_and_called_cifar_10(tmp_path: Path):
    root = write_images(tmp_path / "copy", ".png")
    path = root / "test" / "bird" / "500.png"
    Image.new("RGB", (224, 224)).save(path)
    with pytest.raises(BadInput, match=r"500\.png: has 224 x 224 pixels, CIFAR-10 has 32 x 32"):
        load(DATA, root, tmp_path / "cache")
