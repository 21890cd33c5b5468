"""Where alexbench keeps what it makes once: decoded images, the compiled kernel."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """$ALEXBENCH_CACHE, or the place for caches that the platform has; empty counts as not set."""
    if own := os.environ.get("ALEXBENCH_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "alexbench"
