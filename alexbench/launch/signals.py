"""Ctrl-C and SIGTERM, counted instead of obeyed: once is a request, twice is an order."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Counts while its block runs; in a thread that is not the main one, it hears nothing."""

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
        self.count += 1
