"""Images decoded once for all runs: the pixels of the files, made whole or not at all."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from alexbench.config.schema import DataConfig
from alexbench.data import StreamedSplit, batches, shards, stream
from alexbench.data.imagefolder import keep_decoded, load_folder
from alexbench.errors import BadInput, RunFailed
from tests.data.images import noise, write_folder

DATA = DataConfig(name="imagefolder", image_size=8)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held in memory, and a shard holds four images."""
    monkeypatch.setenv("ALEXBENCH_HELD_GIB", "0")
    monkeypatch.setattr(shards, "SHARD_BYTES", 4 * 8 * 8 * 3)


def keep(root: Path, verify: bool = False, data: DataConfig = DATA) -> list[str]:
    """Keep the decoded images, and return what was told."""
    told: list[str] = []
    keep_decoded(root, data, root.parent / "cache", told.append, verify)
    return told


def written(told: list[str]) -> list[str]:
    """What was told between the size and the end; how long it takes is the machine's."""
    return [line.partition(" files written, ")[0] for line in told[1:-1]]


def loaded(root: Path, data: DataConfig = DATA) -> StreamedSplit:
    split = load_folder(root, data, root.parent / "cache").train
    assert isinstance(split, StreamedSplit)
    return split


def files(root: Path, pattern: str = "*.npy") -> list[Path]:
    return sorted((root.parent / "cache").glob(f"*-shards-*/{pattern}"))


def pixels(split: StreamedSplit, order: list[int]) -> torch.Tensor:
    return torch.cat([images for images, _ in batches(split, torch.tensor(order), 2, CPU)])


@pytest.mark.parametrize("threads", [1, 2])
def test_kept_images_are_those_of_the_files(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream, "PREFETCH_BATCHES", 1)  # fewer than there are batches
    root = write_folder(tmp_path / "pets", train=5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        decoded = load_folder(root, DATA, tmp_path / "cache")
        keep(root)
        kept = load_folder(root, DATA, tmp_path / "cache")
        assert isinstance(kept.train, StreamedSplit)
        assert isinstance(decoded.train, StreamedSplit)
        assert kept.train.shards is not None
        order = [9, 0, 4, 3, 8, 1, 2, 7, 5, 6]
        assert torch.equal(pixels(kept.train, order), pixels(decoded.train, order))
        some = torch.tensor([7, 2, 5])
        assert torch.equal(
            pixels(kept.train.take(some), [0, 1, 2]), pixels(decoded.train, some.tolist())
        )
    finally:
        torch.set_num_threads(before)
    assert kept.sha256 == decoded.sha256  # so that no run is trained again
    for key in ("images", "pixel_sum", "product_sum"):
        assert torch.equal(getattr(kept.train.moments, key), getattr(decoded.train.moments, key))
    assert [path.name for path in files(root)] == [
        "test-00000.npy",
        "train-00000.npy",
        "train-00001.npy",
        "train-00002.npy",
    ]


def test_a_run_decodes_nothing_once_they_are_kept(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    split = loaded(root)
    (root / "train" / "cat" / "0.png").unlink()
    assert pixels(split, [0, 1, 2, 3, 4, 5]).shape == (6, 8, 8, 3)


def test_the_size_is_said_before_it_starts_and_what_is_there_is_not_made_again(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    told = keep(root)
    assert "10 images of 8 x 8 pixels: 0.0 GB in" in told[0]
    assert written(told) == ["1 of 3", "2 of 3", "3 of 3"]
    assert len(keep(root)) == 2


def test_making_goes_on_where_it_was_ended(tmp_path: Path):
    root = write_folder(tmp_path / "pets")

    def end_after_the_first(line: str) -> None:
        if line.startswith("1 of 3 files written"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_decoded(root, DATA, tmp_path / "cache", end_after_the_first)
    assert loaded(root).shards is None  # half a set is no set
    assert written(keep(root)) == ["1 of 2", "2 of 2"]
    assert loaded(root).shards is not None


def test_a_kill_while_writing_leaves_nothing_that_counts(tmp_path: Path, monkeypatch):
    root = write_folder(tmp_path / "pets")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(RunFailed, match=r"train-00000\.npy: cannot be written \(full\)"):
        keep(root)
    assert files(root, "*") == []


def test_a_set_that_does_not_fit_on_the_disk_is_refused_before_it_starts(tmp_path: Path):
    of_terabytes = DATA.model_copy(update={"image_size": 10**8})
    with pytest.raises(BadInput, match="do not fit in"):
        keep(write_folder(tmp_path / "pets"), data=of_terabytes)


def test_checksums_find_what_was_damaged_and_it_is_made_again(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    path = files(root)[1]
    whole = path.read_bytes()
    index = json.loads(files(root, "index.json")[0].read_text())
    assert index["shards"][path.name]["sha256"] == hashlib.sha256(whole).hexdigest()
    path.write_bytes(whole[:-1] + b"x")
    assert len(keep(root)) == 2  # sizes alone do not tell
    assert written(keep(root, verify=True)) == ["1 of 1"]
    assert path.read_bytes() == whole


def test_a_changed_folder_is_decoded_again(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    noise(999, 20, 20).save(root / "train" / "cat" / "0.png")
    assert loaded(root).shards is None
    keep(root)
    assert loaded(root).shards is not None


def test_a_cut_file_is_no_part_of_a_set(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    path = files(root)[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert loaded(root).shards is None


def test_files_that_cannot_be_decoded_are_named_or_skipped(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "cat" / "1.png").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"cannot decode 1 of the files: train/cat/1\.png"):
        keep(root)
    skip = DATA.model_copy(update={"undecodable": "skip"})
    keep(root, data=skip)
    split = loaded(root, skip)
    assert split.shards is not None
    assert split.labels.tolist() == [0, 1, 1, 0, 1]
    decoded = load_folder(root, skip, tmp_path / "other").train
    assert isinstance(decoded, StreamedSplit)
    assert torch.equal(pixels(split, [4, 2, 0]), pixels(decoded, [4, 2, 0]))


def test_what_fits_in_memory_is_kept_as_a_run_would_keep_it(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("ALEXBENCH_HELD_GIB", "1")
    root = write_folder(tmp_path / "pets")
    (told,) = keep(root)
    assert "fits in memory, kept in" in told
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


@pytest.mark.parametrize("limit", ["much", "nan", "-1", ""])
def test_a_limit_that_is_no_number_is_refused(tmp_path: Path, monkeypatch, limit):
    monkeypatch.setenv("ALEXBENCH_HELD_GIB", limit)
    with pytest.raises(BadInput, match=f"ALEXBENCH_HELD_GIB: {limit} should be a number of GiB"):
        loaded(write_folder(tmp_path / "pets"))


def test_a_damaged_image_is_found_when_it_is_first_read_and_decoded_again(tmp_path: Path, capsys):
    root = write_folder(tmp_path / "pets")
    keep(root)
    path = files(root)[1]
    whole, order = path.read_bytes(), list(range(6))
    right = pixels(loaded(root), order)
    shards.opened.cache_clear()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    capsys.readouterr()
    assert torch.equal(pixels(loaded(root), order), right)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"alexbench: {path}: damaged: its bad images are decoded again"
    assert path.read_bytes() == whole


def test_a_damaged_image_whose_file_has_changed_ends_the_run(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    split, path = loaded(root), files(root)[1]
    shards.opened.cache_clear()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for image in (root / "train").rglob("*.png"):
        noise(999, 8, 8).save(image)
    with pytest.raises(RunFailed, match=r"image \d is damaged, and .*png is not what it was"):
        pixels(split, list(range(6)))


@pytest.mark.parametrize("content", ["[]", "null", "1", '{"shards": 3}', "[" * 100_000])
def test_an_index_of_anything_else_is_no_set(tmp_path: Path, content: str):
    root = write_folder(tmp_path / "pets")
    keep(root)
    files(root, "index.json")[0].write_text(content)
    assert loaded(root).shards is None


def test_a_shard_with_a_damaged_head_is_no_part_of_a_set(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    path = files(root)[0]
    path.write_bytes(b"x" * 128 + path.read_bytes()[128:])
    assert loaded(root).shards is None


def test_a_file_that_is_cut_while_a_run_reads_it_ends_the_run(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    keep(root)
    split, path = loaded(root), files(root)[1]
    pixels(split, [0])  # opens the file
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(RunFailed, match=r"train-00000\.npy: was cut while it was read"):
        pixels(split, list(range(6)))


@pytest.mark.skipif(shards.AT_ONCE is None, reason="needs Linux")
def test_images_that_are_not_in_memory_are_all_asked_for_before_the_first_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = write_folder(tmp_path / "pets")
    keep(root)
    split, told, read = loaded(root), list[str](), os.preadv

    def on_disk(descriptor: int, buffers: list[memoryview], start: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError
        told.append("waits")
        return read(descriptor, buffers, start)

    monkeypatch.setattr(os, "posix_fadvise", lambda *_: told.append("asks"))
    right = pixels(split, [5, 0])
    assert told == []  # they were just written
    monkeypatch.setattr(os, "preadv", on_disk)
    assert torch.equal(pixels(split, [5, 0]), right)
    assert told == ["asks", "asks", "waits", "waits"]
