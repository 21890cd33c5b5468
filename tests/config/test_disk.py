"""Files are read only if they are regular, and written through no link."""

import fcntl
import os
import re
from pathlib import Path

import pytest

from alexbench.config.disk import open_regular, open_whole, read_text
from alexbench.errors import BadInput, RunFailed
from alexbench.runs import record
from alexbench.runs.lock import lock
from alexbench.training import checkpoint


def special(folder: Path, kind: str) -> Path:
    path = folder / "a.json"
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a device"])
def test_what_is_no_regular_file_is_refused_at_once_and_named(tmp_path: Path, kind: str):
    path = special(tmp_path, kind)
    said = f"it is {kind}, not a regular file"
    with pytest.raises(OSError, match=said):
        open_regular(path)
    with pytest.raises(BadInput, match=rf"a\.json: cannot be read \({said}\)"):
        record.read(path)
    with pytest.raises(OSError, match=said):
        checkpoint.read(path, "x")


def test_a_file_behind_a_link_is_read_and_one_that_is_missing_is_no_special_one(tmp_path: Path):
    (tmp_path / "a").write_text("here")
    (tmp_path / "b").symlink_to("a")
    assert read_text(tmp_path / "b") == "here"
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "c")


def test_a_temporary_name_cannot_be_guessed_and_is_gone_afterwards(tmp_path: Path):
    seen = []
    for _ in range(2):
        with open_whole(tmp_path / "a") as file:
            seen += [path.name for path in tmp_path.iterdir() if path.name != "a"]
            file.write(b"x")
    assert len(set(seen)) == 2
    assert all(re.fullmatch(r"a\.[0-9a-f]{16}\.partial", name) for name in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_in_the_place_of_the_file_is_replaced_and_its_target_left_alone(tmp_path: Path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "a").symlink_to("target")
    with open_whole(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "target").read_text() == "old"
    assert not (tmp_path / "a").is_symlink()


def test_what_a_kill_left_is_removed_and_what_is_being_written_stays(tmp_path: Path):
    left, written = (tmp_path / f"a.{digit * 16}.partial" for digit in "01")
    left.write_text("half")
    written.write_text("half")
    with written.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with open_whole(tmp_path / "a") as file:
            file.write(b"x")
    assert {path.name for path in tmp_path.iterdir()} == {"a", written.name}


def test_a_lock_is_no_link_to_another_file(tmp_path: Path):
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(RunFailed, match=r"a\.lock: cannot be locked"),
        lock(tmp_path / "a.lock"),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()
