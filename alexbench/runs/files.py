"""Files that are written whole or not at all, and npz files that may be damaged."""

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib.npyio import NpzFile

from alexbench.errors import BadInput, RunFailed


@contextmanager
def open_whole(path: Path, suffix: str = ".partial") -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; after the block, fsync it and rename it to ``path``.

    suffix: of the temporary file. After an error, ``path`` is as before. Raises OSError.
    """
    partial = path.with_name(path.name + suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename survives a power cut
    finally:
        os.close(folder)


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
    """The operating system's words for an error, or else its type."""
    return getattr(error, "strerror", None) or type(error).__name__


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Open an npz file; raises BadInput where it, or an array read in the block, is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({reason(error)})") from error
