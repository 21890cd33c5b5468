"""The standard streams of a process: open, and never the reason that a result is lost."""

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from alexbench.errors import RunFailed

if TYPE_CHECKING:
    from typing_extensions import Buffer


class SafeStream(io.FileIO):
    """A file descriptor to write to, which keeps its first error and goes on."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.error: OSError | None = None

    def write(self, content: "Buffer", /) -> int:
        """Write all of the bytes; returns their number, also where some are lost."""
        left = whole = memoryview(content).cast("B")
        try:
            while left:
                if (done := super().write(left)) is None:
                    select.select([], [self], [])  # a full pipe that was opened not to wait
                left = left[done or 0 :]
        except OSError as error:
            self.error = self.error or error
        return len(whole)


def make_safe() -> None:
    """Open what is closed of stdin, stdout and stderr, and make errors of the last two harmless.

    A letter that a stream's encoding lacks is shown by its number. What cannot be written is lost;
    of stdout ``check_stdout`` says so at the end.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file that is opened would take its place
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
    sys.stdout = safe(sys.stdout, 1)
    sys.stderr = safe(sys.stderr, 2)


def safe(stream: TextIO | None, descriptor: int) -> TextIO:
    """A stream like ``stream`` that has no errors."""
    like = stream if isinstance(stream, io.TextIOWrapper) else None
    return io.TextIOWrapper(
        SafeStream(descriptor),
        encoding=like.encoding if like else "utf-8",
        errors="backslashreplace",
        line_buffering=like is None or like.line_buffering or like.write_through,
    )


def check_stdout() -> None:
    """Raises RunFailed where output was lost, unless its reader chose to leave."""
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    error = stream.error if isinstance(stream, SafeStream) else None
    if error and error.errno != errno.EPIPE:
        raise RunFailed(f"stdout: cannot be written ({error.strerror})")
