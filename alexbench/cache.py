"""Where alexbench keeps what it makes once: decoded images, the compiled kernel."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """$ALEXBENCH_CACHE, or the place for caches that the platform has."""
    if "ALEXBENCH_CACHE" in os.environ:
        return Path(os.environ["ALEXBENCH_CACHE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "alexbench"
