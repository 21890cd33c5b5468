"""A file is written whole or stays as it was, and a damaged array file is bad input."""

from pathlib import Path

import numpy as np
import pytest

from alexbench.errors import BadInput
from alexbench.runs import files


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    files.write_text_safely("old", tmp_path / "a.txt")

    def break_off() -> None:
        with files.open_whole(tmp_path / "a.txt") as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_pieces_are_written_one_after_the_other_and_folders_are_made(tmp_path: Path) -> None:
    files.write_safely([b"one, ", memoryview(b"two")], tmp_path / "new" / "a.txt")
    assert (tmp_path / "new" / "a.txt").read_text() == "one, two"


def test_arrays_cut_short_are_bad_input_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, numbers=np.random.default_rng(0).random(1000))
    whole = path.read_bytes()
    assert len(whole) > 5000

    def read(content: bytes) -> np.ndarray:
        path.write_bytes(content)
        with files.open_npz(path) as arrays:
            return arrays["numbers"]

    assert read(whole).shape == (1000,)
    broken = [b"", whole[:4000], whole[:2000] + bytes(500) + whole[2500:]]
    for content in broken:
        with pytest.raises(BadInput, match=r"a\.npz: cannot be read"):
            read(content)
