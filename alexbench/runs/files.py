"""Files that are written whole or not at all, and npz files that may be damaged."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from alexbench.config.disk import open_regular, open_whole, read_bytes, read_text
from alexbench.errors import BadInput, RunFailed

__all__ = [
    "open_npz",
    "open_whole",
    "read_bytes",
    "read_text",
    "reason",
    "stem_of",
    "write_safely",
    "write_text_safely",
]


def write_safely(pieces: Iterable[bytes | memoryview], path: Path) -> None:
    """Write the pieces to ``path``, all or nothing. Raises RunFailed."""
    try:
        with open_whole(path) as file:
            file.writelines(pieces)
    except OSError as error:
        raise RunFailed(
            f"{path}: cannot be written ({reason(error)}); finished runs are safe"
        ) from error


def write_text_safely(text: str, path: Path) -> None:
    """Write the text to ``path``, all or nothing. Raises RunFailed."""
    write_safely([text.encode()], path)


def reason(error: Exception) -> str:
    """The operating system's words for an error, or else what kind it is."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    return getattr(error, "strerror", None) or type(error).__name__


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Open an npz file; raises BadInput where it, or an array read in the block, is damaged."""
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (
        *(OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise BadInput(f"{path}: cannot be read ({reason(error)})") from error


def stem_of(variant: str, seed: int, run_id: str) -> str:
    """The name of a run's files, without their endings."""
    return f"{variant}-seed{seed}-{run_id[:10]}"
