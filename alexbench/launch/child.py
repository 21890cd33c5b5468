"""A child process that exchanges JSON lines with its parent: both ends of the pipe.

Imports no torch.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alexbench.launch import streams


class Child:
    """A Python process: started, sent messages, heard, and ended.

    command: what follows the interpreter. own_session: Ctrl-C reaches the parent alone, and the
    processes that the child starts are killed with it. patience: seconds in which it may leave by
    itself. It ends when this object is collected or the parent exits, if not before.
    """

    def __init__(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        own_session: bool = True,
        stderr: int | None = None,
        patience: float = 0.0,
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**surroundings(), **(environment or {})},
            cwd=folder,
            start_new_session=own_session,
        )
        self.threads = list[threading.Thread]()
        self.end = weakref.finalize(  # so that it happens once
            self, end, self.process, self.threads, own_session, patience
        )

    def send(self, message: object) -> None:
        """Send one line; without effect where the child is gone, as ``hear`` will say."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write((json.dumps(message) + "\n").encode())
            self.process.stdin.flush()

    def hear(self) -> Any:
        """The next message. Raises EOFError where the child is gone."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):  # cut short by its death, or nothing
            raise EOFError
        return json.loads(line)

    def listen(self, hear: Callable[[Any], None], ended: Callable[[int], None]) -> None:
        """Call ``hear`` with each message and ``ended`` with the exit status, in a thread."""

        def read() -> None:
            with suppress(EOFError):
                while True:
                    hear(self.hear())
            ended(self.process.wait())

        self.start_thread(read)

    def start_thread(self, target: Callable[[], None]) -> None:
        """Start a thread that reads from the child; ``end`` waits for it."""
        self.threads.append(threading.Thread(target=target, daemon=True))
        self.threads[-1].start()


def surroundings() -> dict[str, str]:
    """The environment of a child: this one's, less what would change or end its work.

    It imports the parent's package, wherever another one is installed. It draws without a window or
    a notebook. Its messages are UTF-8.
    """
    path = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONIOENCODING": "utf-8",
        "MPLBACKEND": "agg",
    }


def end(
    process: "subprocess.Popen[bytes]",
    threads: list[threading.Thread],
    own_session: bool,
    patience: float,
) -> None:
    """Close the child's input, give it ``patience`` seconds, then kill it with its session."""
    assert process.stdin
    with suppress(BrokenPipeError):
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with suppress(ProcessLookupError):
        if own_session:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for thread in threads:
        thread.join()
    for pipe in filter(None, (process.stdout, process.stderr)):
        pipe.close()


def thread_limits(num_threads: int) -> dict[str, str]:
    """The environment of a child whose libraries use so many threads."""
    return {"OMP_NUM_THREADS": str(num_threads), "MKL_NUM_THREADS": str(num_threads)}


def describe(status: int) -> str:
    """How a process ended, in words."""
    if status == -signal.SIGKILL:
        return "its process was killed (signal 9): was the machine out of memory?"
    if status < 0:
        return f"its process ended by signal {-status} ({signal.Signals(-status).name})"
    return f"its process ended with status {status}"


class Parent:
    """The parent, as the child sees it. What libraries print goes to stderr from now on."""

    def __init__(self) -> None:
        self.pipe = os.dup(1)
        os.dup2(2, 1)
        streams.make_safe()

    def send(self, message: object) -> None:
        """Send one line. Raises BrokenPipeError where the parent is gone."""
        left = (json.dumps(message) + "\n").encode()
        while left:
            left = left[os.write(self.pipe, left) :]

    def hear(self) -> Any:
        """The next message."""
        return json.loads(sys.stdin.readline())

    def listen(self, hear: Callable[[Any], None], gone: Callable[[], None]) -> None:
        """Call ``hear`` with each message, and ``gone`` when the input ends, in a thread."""

        def read() -> None:
            for line in sys.stdin:
                hear(json.loads(line))
            gone()

        threading.Thread(target=read, daemon=True).start()
