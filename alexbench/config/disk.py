"""Files: read only if they are regular, never a FIFO or a device; written whole or not at all."""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, TextIO

from alexbench.errors import RunFailed

LONGEST_TEXT = 2**28  # bytes of a file that is read as text
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW  # never one that is there, nor one behind a link
LONGEST_NAME = 200  # characters of a file's name that its temporary file has as well
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: Path) -> BufferedReader:
    """The file, opened for reading; never waits. Raises OSError for what is no regular file."""
    refuse_special(os.stat(path), path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        refuse_special(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def refuse_special(status: os.stat_result, path: Path) -> None:
    """Raises OSError, with the kind of the file, unless it is a regular one."""
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "special")
        number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
        raise OSError(number, f"it is {kind}, not a regular file", str(path))


def read_text(path: Path, encoding: str = "utf-8", most_bytes: int = LONGEST_TEXT) -> str:
    """The text of a regular file. Raises OSError and UnicodeDecodeError."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))
        return file.read().decode(encoding)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file. Raises OSError."""
    with open_regular(path) as file:
        return file.read()


@contextmanager
def open_log(path: Path) -> Iterator[TextIO]:
    """Open a text file to be written from its beginning, never one behind a link, nor a FIFO.

    Raises RunFailed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        yield file


@contextmanager
def open_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; after the block, fsync it and rename it to ``path``.

    Its name cannot be guessed, and it is locked while it is written: what a kill left of earlier
    ones is removed first. After an error, ``path`` is as before. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    partial, descriptor = create_partial(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
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


def create_partial(path: Path) -> tuple[Path, int]:
    """A new, locked file ``<name>.<16 random digits>.partial``, and its descriptor."""
    while True:
        name = f"{path.name[:LONGEST_NAME]}.{secrets.token_hex(8)}.partial"
        partial = path.with_name(name)
        descriptor = os.open(partial, os.O_WRONLY | NEW_FILE, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process found it without a lock, and removes it
            os.close(descriptor)
            continue
        except OSError:  # a file system without locks
            return partial, descriptor
        if partial.exists():
            return partial, descriptor
        os.close(descriptor)


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files of ``path`` whose writers are gone: nobody has them locked."""
    start = f"{path.name[:LONGEST_NAME]}."
    with os.scandir(path.parent) as entries:
        names = [e.name for e in entries if e.name.startswith(start)]
    for name in names:
        if name.endswith(".partial") and len(name) == len(start) + 16 + len(".partial"):
            with contextlib.suppress(OSError):
                descriptor = os.open(
                    path.with_name(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                )
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.with_name(name).unlink()
                finally:
                    os.close(descriptor)
