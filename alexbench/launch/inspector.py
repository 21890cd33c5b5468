"""Asks torch about devices and data in a child process, so that the launcher imports no torch.

The launcher then stays small for as long as a sweep takes; the child ends before runs train.
"""

import base64
import os
import pickle
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from alexbench.config import own_parts
from alexbench.config.execution import Slot
from alexbench.config.schema import Config, DataConfig, EvaluateConfig
from alexbench.errors import BadInput, RunFailed
from alexbench.launch.child import Child, Parent, describe

SECONDS_TO_END = 2.0  # for files that are half written

Answer = TypeVar("Answer")


class Inspector:
    """Calls functions in a child process, which the first call starts and ``end`` ends.

    here: True calls them in this process, which has imported torch.
    """

    def __init__(self, here: bool) -> None:
        self.here = here
        self.child: Child | None = None
        self.answers: dict[tuple[Any, ...], Any] = {}

    def ask(self, function: Callable[..., Answer], *about: Any) -> Answer:
        """What the function returns or raises. Raises RunFailed where the child dies."""
        if self.here:
            return function(*about)
        if self.child is None:
            self.child = Child("-m", "alexbench.launch.inspector", patience=SECONDS_TO_END)
        try:
            self.child.send(to_text((function, about, own_parts.sources())))
            answer = from_text(self.child.hear())
        except EOFError:
            why = describe(self.child.process.wait())
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

    def end(self) -> None:
        """Free the memory of the child; a later question starts another."""
        if self.child:
            self.child.end()
            self.child = None


def to_text(content: object) -> str:
    """Any picklable object as text, for a JSON line."""
    return base64.b64encode(pickle.dumps(content)).decode()


def from_text(text: str) -> Any:
    """The object that ``to_text`` was given, by this program's own child or parent."""
    return pickle.loads(base64.b64decode(text))


def find_slots(
    device: str,
    jobs: int | None,
    threads: int | None,
    data_root: str | None,
    num_devices: int,
    configs: Sequence[Config],
    shared: bool = False,
) -> list[Slot]:
    """``slots.find_slots``. configs: the largest must fit; none: each run has a device alone."""
    from alexbench.launch import slots

    def largest() -> int:
        from alexbench.data import load_data
        from alexbench.training.memory import gpu_bytes

        return max(gpu_bytes(config, load_data(config.data, data_root)) for config in configs)

    run_bytes = largest if configs else None
    return slots.find_slots(device, jobs, threads, data_root, num_devices, run_bytes, shared)


def data_sha256(data: DataConfig, data_root: str | None) -> str:
    """The SHA-256 of a data set, which is decoded and cached first if it never was."""
    from alexbench.data import load_data

    return load_data(data, data_root).sha256


def check_images(
    data: DataConfig, evaluate: EvaluateConfig, data_root: str | None, tunes: bool
) -> None:
    """Raises BadInput for pictured images that there are not, and for too few images to tune."""
    from alexbench.data import load_data
    from alexbench.training.predictions import check_pictured
    from alexbench.training.runner import TUNING_SHARE

    found = load_data(data, data_root)
    check_pictured(evaluate, found)
    images = len(found.train.labels)
    if tunes and images < TUNING_SHARE:
        raise BadInput(
            f"{found.name} has {images} training images, and tuning holds one of {TUNING_SHARE} "
            "back: allow more, or tune: none with a tune_reason"
        )


def check_own(config: Config, data_root: str | None) -> None:
    """Raises BadInput for own parts that cannot train."""
    from alexbench.data import load_data
    from alexbench.training.own import check_own_parts

    check_own_parts(config, len(load_data(config.data, data_root).classes))


def lrn_implementation(device: str) -> str:
    """The name of the implementation that LRN uses on a device."""
    from alexbench import kernels

    return kernels.resolve(device)


def gpu(device: str) -> dict[str, str]:
    """The model of a GPU, its driver and torch: results of another one are other results."""
    import torch

    from alexbench.training import environment

    return environment.gpu(torch.device(device))


def check_precision(precision: str, device: str) -> None:
    """Raises BadInput for a precision that the device does not have."""
    import torch

    from alexbench.training import numerics

    numerics.check_precision(precision, torch.device(device))


def main() -> None:
    """Answer questions until the input ends; a question in hand is then interrupted."""
    parent = Parent()
    questions = queue.SimpleQueue[str]()
    main_thread = threading.get_ident()

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what removes half-written files is not cut
        raise KeyboardInterrupt

    def leave() -> None:
        while True:  # a signal right before the main thread begins to wait would not wake it
            signal.pthread_kill(main_thread, signal.SIGINT)
            time.sleep(0.05)

    signal.signal(signal.SIGINT, interrupt)  # ignored under nohup or in a script
    with suppress(KeyboardInterrupt, BrokenPipeError):
        parent.listen(questions.put, leave)
        while True:
            function, about, sources = from_text(questions.get())
            for each in sources:
                own_parts.remember(each)
            try:
                answer = function(*about)
            except Exception as error:
                error.add_note(traceback.format_exc())  # pickle loses the traceback itself
                answer = error
            parent.send(to_text(answer))
    os._exit(0)  # at once: torch takes a second to leave


if __name__ == "__main__":
    main()
