"""Arrays that are made once and kept in a folder of the user's."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexbench.errors import RunFailed

Arrays = dict[str, NDArray[Any]]


def cached(path: Path, fingerprint: str, make: Callable[[], Arrays]) -> Arrays:
    """The arrays in ``path``, if they were made from what ``fingerprint`` names; else made anew.

    A file that is missing, stale, damaged or of another version is replaced as a whole.
    """
    arrays = read(path, fingerprint)
    if arrays is None:
        arrays = make()
        write(path, fingerprint, arrays)
    return arrays


def read(path: Path, fingerprint: str) -> Arrays | None:
    """The arrays of a cache file; None if it is missing, damaged or has another fingerprint."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["fingerprint"]) != fingerprint:
                return None
            return {name: stored[name] for name in stored.files if name != "fingerprint"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write(path: Path, fingerprint: str, arrays: Arrays) -> None:
    """Write under another name, then rename: a full disk or a kill leaves no half file.

    Raises RunFailed where there is no room or no permission.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            np.savez(file, fingerprint=np.array(fingerprint), **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
        raise RunFailed(
            f"{path}: cannot write {megabytes:.0f} MB of decoded images ({error.strerror}): "
            "make room, or set ALEXBENCH_CACHE to another folder"
        ) from None
    finally:
        if part.exists():
            part.unlink()
