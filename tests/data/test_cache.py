import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from alexbench.config.paths import cache_folder
from alexbench.data.cache import Arrays, cached
from alexbench.errors import BadInput, RunFailed


class Maker:
    """Makes an array of its calls so far, and counts them."""

    def __init__(self, size: int = 3) -> None:
        self.calls = 0
        self.size = size

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"pixels": np.full(self.size, self.calls, dtype=np.int64)}


def test_an_array_is_made_once(tmp_path: Path):
    make, path = Maker(), tmp_path / "deep" / "a.npz"
    assert cached(path, "x", make)["pixels"].tolist() == [1, 1, 1]
    again = cached(path, "x", make)
    assert again["pixels"].tolist() == [1, 1, 1]
    assert list(again) == ["pixels"]
    assert make.calls == 1


def test_another_fingerprint_makes_it_anew_in_the_same_place(tmp_path: Path):
    make, path = Maker(), tmp_path / "a.npz"
    cached(path, "x", make)
    assert cached(path, "y", make)["pixels"].tolist() == [2, 2, 2]
    assert cached(path, "y", make)["pixels"].tolist() == [2, 2, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_damaged_file_is_made_anew(tmp_path: Path, keep: int):
    make, path = Maker(), tmp_path / "a.npz"
    cached(path, "x", make)
    path.write_bytes(path.read_bytes()[:keep])
    assert cached(path, "x", make)["pixels"].tolist() == [2, 2, 2]


def test_a_flipped_byte_is_noticed(tmp_path: Path):
    make, path = Maker(1000), tmp_path / "a.npz"
    cached(path, "x", make)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert cached(path, "x", make)["pixels"][0] == 2


def test_objects_are_never_unpickled(tmp_path: Path):
    path, make = tmp_path / "a.npz", Maker()
    np.savez(path, fingerprint=np.array("x"), pixels=np.array([{}], dtype=object))
    assert cached(path, "x", make)["pixels"].tolist() == [1, 1, 1]


def test_a_disk_that_fills_leaves_no_half_file(tmp_path: Path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(RunFailed, match=r"cannot write 1 MB .* set ALEXBENCH_CACHE"):
            cached(tmp_path / "a.npz", "x", Maker(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="file") as raised:
        cached(tmp_path / "file" / "a.npz", "x", Maker())
    assert "\n" not in str(raised.value)


def test_the_environment_says_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALEXBENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ALEXBENCH_CACHE")
    assert cache_folder().name == "alexbench"


def test_pixels_that_were_changed_under_a_kept_fingerprint_are_made_again(tmp_path: Path, capsys):
    make, path = Maker(), tmp_path / "a.npz"
    cached(path, "x", make)
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **kept | {"pixels": kept["pixels"] + 1})  # whole, with its fingerprint
    assert cached(path, "x", make)["pixels"].tolist() == [2, 2, 2]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"alexbench: {path}: damaged (its SHA-256 is wrong): made again"
    kept.pop("pixels")
    np.savez(path, **kept)  # an array is missing
    assert cached(path, "x", make)["pixels"].tolist() == [3, 3, 3]


@pytest.mark.parametrize("kind", ["FIFO", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str, capsys):
    path = tmp_path / "a.npz"
    os.mkfifo(path) if kind == "FIFO" else path.mkdir()
    with pytest.raises(RunFailed) if kind == "folder" else nullcontext():
        assert cached(path, "x", Maker())["pixels"].tolist() == [1, 1, 1]
    assert f"it is a {kind}" in capsys.readouterr().err


def test_the_folder_of_the_cache_is_the_users_alone(tmp_path: Path):
    cached(tmp_path / "new" / "a.npz", "x", Maker())
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_without_a_home_folder_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    for name in ("ALEXBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    with pytest.raises(BadInput, match=r"^no home folder for the cache: set ALEXBENCH_CACHE"):
        cache_folder()
