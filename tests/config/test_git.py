"""Git is asked about one repository, whatever the environment says and whoever owns it."""

import os
import subprocess
from pathlib import Path

import pytest

from alexbench.config.git import git

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


def repository(folder: Path, text: str) -> str:
    """A repository of one commit; returns the commit."""
    folder.mkdir()
    (folder / "a").write_text(text)
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", text]):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True)
    return commit(folder)


def commit(folder: Path) -> str:
    found = git(folder, "rev-parse", "HEAD")
    assert found is not None
    return found.decode().strip()


def test_git_dir_of_a_hook_does_not_name_another_repository(tmp_path: Path, monkeypatch):
    own, other = (repository(tmp_path / name, name) for name in ("own", "other"))
    assert own != other
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert commit(tmp_path / "own") == own


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_checkout_of_another_owner_is_a_checkout(tmp_path: Path):
    own = repository(tmp_path / "own", "x")
    for path in (tmp_path / "own", *(tmp_path / "own").rglob("*")):
        os.chown(path, 12345, 12345)
    assert commit(tmp_path / "own") == own


def test_a_folder_without_history_has_no_commit(tmp_path: Path):
    assert git(tmp_path, "rev-parse", "HEAD") is None
