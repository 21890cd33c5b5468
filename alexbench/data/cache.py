"""Arrays that are made once and kept in a folder of the user's."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexbench.errors import BadInput, RunFailed
from alexbench.runs import files

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
        with files.open_npz(path) as stored:
            if str(stored["fingerprint"]) != fingerprint:
                return None
            return {name: stored[name] for name in stored.files if name != "fingerprint"}
    except (BadInput, KeyError):
        return None


def write(path: Path, fingerprint: str, arrays: Arrays) -> None:
    """Write the arrays, all or nothing; each process has a temporary file of its own.

    Raises RunFailed where there is no room or no permission.
    """
    try:
        with files.open_whole(path, f".{os.getpid()}.part") as file:
            np.savez(file, fingerprint=np.array(fingerprint), **arrays)  # type: ignore[arg-type]
    except OSError as error:
        megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
        raise RunFailed(
            f"{path}: cannot write {megabytes:.0f} MB of decoded images ({error.strerror}): "
            "make room, or set ALEXBENCH_CACHE to another folder"
        ) from None
