"""The standard streams of a process: open, and never the reason that a result is lost."""

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from alexbench.errors import RunFailed

if TYPE_CHECKING:
    from typing_extensions import Buffer


class SafeStream(io.FileIO):
    """A file descriptor to write to: ``fail`` hears of its first error, nobody of a later one."""

    def __init__(self, descriptor: int, fail: Callable[[OSError], None]) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.fail = fail
        self.told = False

    def write(self, content: "Buffer", /) -> int:
        """Write bytes; returns how many are dealt with."""
        try:
            return super().write(content)
        except OSError as error:
            if not self.told:
                self.told = True
                self.fail(error)
        return memoryview(content).nbytes


def make_safe() -> None:
    """Open what is closed of stdin, stdout and stderr, and make errors of the last two harmless.

    A letter that a stream's encoding lacks is shown by its number. What cannot be written to stderr
    is lost; where stdout fails RunFailed is raised, once, or BrokenPipeError, where nobody reads.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file that is opened would take its place
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = safe(sys.stdout, 1, refuse)
    sys.stderr = safe(sys.stderr, 2, lambda error: None)


def safe(stream: TextIO | None, descriptor: int, fail: Callable[[OSError], None]) -> TextIO:
    """A stream like ``stream``, whose first error ``fail`` hears of."""
    like = stream if isinstance(stream, io.TextIOWrapper) else None
    return io.TextIOWrapper(
        io.BufferedWriter(SafeStream(descriptor, fail)),
        encoding=like.encoding if like else "utf-8",
        errors="backslashreplace",
        line_buffering=like.line_buffering if like else True,
        write_through=like.write_through if like else False,
    )


def refuse(error: OSError) -> None:
    """Raises RunFailed for output that is lost; the error itself where nobody reads it."""
    if error.errno == errno.EPIPE:
        raise error
    raise RunFailed(f"stdout: cannot be written ({error.strerror})")
