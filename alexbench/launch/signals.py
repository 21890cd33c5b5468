"""Counts Ctrl-C and SIGTERM: the first asks for an orderly end, the second for an immediate one."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Counts the signals while its block runs; counts none outside the main thread."""

    def __init__(self) -> None:
        self.count = 0
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self.before = {each: signal.signal(each, self.hear) for each in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for each, handler in self.before.items():
            signal.signal(each, handler)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.count += 1
