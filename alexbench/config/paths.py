"""The folders of alexbench: the package, what ships beside it, and the cache."""

import os
import sys
from pathlib import Path
from typing import Any

from alexbench.errors import BadInput, shown

PACKAGE = Path(__file__).parents[1]


def as_path(name: str, value: Any) -> str:
    """The text of a name or path that a call was given. Raises BadInput for something else."""
    try:
        said = os.fsdecode(os.fspath(value))
    except TypeError:
        raise BadInput(f"{name}: {shown(value)} is no name and no path") from None
    if not said or "\0" in said:
        raise BadInput(f"{name}: {'has a NUL character' if said else 'is empty'}")
    return said


def shipped_folder(name: str) -> Path:
    """Folder ``name`` (ablations, benchmarks): inside an installed package, else beside it."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def checkout() -> Path | None:
    """The git checkout that holds the package; None where the package is installed."""
    return PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None


def cache_folder() -> Path:
    """Where decoded images and the compiled kernel are kept.

    $ALEXBENCH_CACHE, or the platform's folder for caches. An empty variable counts as not set.
    Raises BadInput where the user has no home folder.
    """
    if own := os.environ.get("ALEXBENCH_CACHE"):
        return Path(own)
    if sys.platform == "darwin":
        base = home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache")
    return base / "alexbench"


def home() -> Path:
    """The user's home folder. Raises BadInput where there is none."""
    try:
        found = Path.home() if os.environ.get("HOME", "unset") else Path()
    except RuntimeError:
        found = Path()
    if not found.is_absolute():
        raise BadInput("no home folder for the cache: set ALEXBENCH_CACHE, or HOME")
    return found


def make_private(folder: Path) -> None:
    """Create a folder that other users may not write to. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def writable_by_others(folder: Path) -> bool:
    """Whether another user than this one and root may change what is in a folder."""
    status = folder.stat()
    return status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & 0o022)
