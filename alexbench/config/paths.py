"""The folders of alexbench: the package, what ships beside it, and the cache."""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


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
    """
    if own := os.environ.get("ALEXBENCH_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "alexbench"
