"""A lock on a file (flock), held by one process at a time.

The system frees the lock when its owner dies, so no lock is ever stale. On NFS and on the file
systems of clusters the server keeps the lock for all hosts. The file is removed with the lock; the
package filelock is safe with removed files only from 3.25 on, and its newest versions keep the file
and replace flock, where it is missing, by files that do go stale.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexbench.errors import RunFailed

FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # no link, and no wait for a FIFO


@contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[bool]:
    """Lock ``path`` until the block ends; gives False where another process has it.

    wait: wait until it is free. The owner removes the file at the end. Raises RunFailed where the
    file cannot be written or locked.
    """
    try:
        descriptor = acquire(path, wait)
    except OSError as error:
        raise RunFailed(
            f"{path}: cannot be locked ({error.strerror}); finished runs are safe"
        ) from error
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def acquire(path: Path, wait: bool) -> int | None:
    """The descriptor of the locked file; None where another process has it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, FLAGS, 0o644)
        except FileNotFoundError:
            continue  # the folder was empty, and tidied away in between
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        if is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # the owner before removed the file that was waited for


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file still has that path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
