"""What only torch can tell of devices and data, found out by a process that ends before runs train.

So the launcher itself has no torch: it stays small for as long as a sweep takes.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from alexbench.config.execution import Slot
from alexbench.config.schema import Config, DataConfig
from alexbench.errors import RunFailed
from alexbench.launch.local import describe

SECONDS_TO_END = 2.0  # for files that are half written

Answer = TypeVar("Answer")
Questions = queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]]


class Scout:
    """Calls functions in another process, which the first call starts and ``end`` ends.

    here: in this process instead, which has torch.
    """

    def __init__(self, here: bool) -> None:
        self.here = here
        self.process: subprocess.Popen[bytes] | None = None
        self.answers: dict[tuple[Any, ...], Any] = {}

    def ask(self, function: Callable[..., Answer], *about: Any) -> Answer:
        """What the function returns, or raises; raises RunFailed where the process dies."""
        if self.here:
            return function(*about)
        process = self.process or self.start()
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):  # it died, as the next lines say
            pickle.dump((function, about), process.stdin)
            process.stdin.flush()
        try:
            answer: Any = pickle.load(process.stdout)
        except EOFError:
            why = describe(process.wait())
            self.end()
            raise RunFailed(f"while devices and data were looked at: {why}") from None
        except KeyboardInterrupt:
            self.end()  # its answer would be taken for the next one
            raise
        if isinstance(answer, Exception):
            raise answer
        found: Answer = answer
        return found

    def once(self, function: Callable[..., Answer], *about: Any) -> Answer:
        """As ``ask``, and the answer is kept."""
        if (function, about) not in self.answers:
            self.answers[function, about] = self.ask(function, *about)
        found: Answer = self.answers[function, about]
        return found

    def start(self) -> "subprocess.Popen[bytes]":
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "alexbench.launch.inspector"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which ends this one
        )
        self.finalizer = weakref.finalize(self, end, self.process)
        return self.process

    def end(self) -> None:
        """Free the memory of the process; a question after that starts another."""
        if self.process:
            self.finalizer()
            self.process = None


def end(process: "subprocess.Popen[bytes]") -> None:
    """Let it end; where it does not, kill it with those that decode images for it."""
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()


def find_places(
    device: str,
    jobs: int | None,
    threads: int | None,
    data_root: str | None,
    num_devices: int,
    configs: Sequence[Config],
) -> list[Slot]:
    """``slots.slots``. configs: the largest of them is to fit; none: a run has a device alone."""
    from alexbench.launch.slots import find_slots

    def largest() -> int:
        from alexbench.data import load_data
        from alexbench.training.memory import run_bytes

        return max(run_bytes(config, load_data(config.data, data_root)) for config in configs)

    return find_slots(device, jobs, threads, data_root, num_devices, largest if configs else None)


def data_sha256(data: DataConfig, data_root: str | None) -> str:
    """Of the data set, which is decoded and kept where it never was."""
    from alexbench.data import load_data

    return load_data(data, data_root).sha256


def lrn_implementation(device: str) -> str:
    from alexbench import kernels

    return kernels.resolve(device)


def main() -> None:
    """Answer until there are no more questions or whoever asks is gone, whatever is in hand."""
    pipe = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    questions = Questions()
    listener = threading.Thread(target=listen, args=(questions, threading.get_ident()), daemon=True)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        listener.start()
        while True:
            function, about = questions.get()
            try:
                answer = function(*about)
            except Exception as error:
                error.add_note(traceback.format_exc())  # which stays here
                answer = error
            os.write(pipe, pickle.dumps(answer))
    os._exit(0)  # at once: torch takes a second to leave


def listen(questions: Questions, main_thread: int) -> None:
    """Hand on the questions; when there are no more, interrupt what is in hand."""
    with suppress(EOFError):
        while True:
            questions.put(pickle.load(sys.stdin.buffer))
    signal.pthread_kill(main_thread, signal.SIGINT)


if __name__ == "__main__":
    main()
