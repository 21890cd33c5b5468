"""Arrays that are made once, kept in a folder of the user's, and believed by their checksum."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexbench.config.paths import make_private
from alexbench.errors import BadInput, RunFailed
from alexbench.runs import files

Arrays = dict[str, NDArray[Any]]


def cached(path: Path, fingerprint: str, make: Callable[[], Arrays]) -> Arrays:
    """The arrays in ``path``, if they were made from what ``fingerprint`` names; else made anew.

    A file that is missing, stale, damaged or of another version is replaced as a whole, and one
    line says so of a damaged one.
    """
    arrays = read(path, fingerprint)
    if arrays is None:
        arrays = make()
        write(path, fingerprint, arrays)
    return arrays


def read(path: Path, fingerprint: str) -> Arrays | None:
    """The arrays of a cache file; None if it is missing, damaged or has another fingerprint."""
    if not os.path.exists(path):
        return None
    try:
        with files.open_npz(path) as stored:
            if str(stored["fingerprint"]) != fingerprint:
                return None
            arrays = {name: stored[name] for name in stored.files if name != "fingerprint"}
            if str(arrays.pop("checksum", "")) == checksum(arrays):
                return arrays
            why = "its SHA-256 is wrong"
    except BadInput as error:
        why = files.reason(error.__cause__) if isinstance(error.__cause__, Exception) else ""
    print(f"alexbench: {path}: damaged ({why}): made again", file=sys.stderr)
    return None


def checksum(arrays: Arrays) -> str:
    """The SHA-256 of the arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return digest.hexdigest()


def write(path: Path, fingerprint: str, arrays: Arrays) -> None:
    """Write the arrays and their checksum, all or nothing.

    Raises RunFailed where there is no room or no permission.
    """
    try:
        make_private(path.parent)
        known = {"fingerprint": np.array(fingerprint), "checksum": np.array(checksum(arrays))}
        with files.open_whole(path) as file:
            np.savez(file, **known, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
        raise RunFailed(
            f"{path}: cannot write {megabytes:.0f} MB of decoded images ({error.strerror}): "
            "make room, or set ALEXBENCH_CACHE to another folder"
        ) from None
