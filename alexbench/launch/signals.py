"""Counts Ctrl-C and SIGTERM: the first asks for an orderly end, the second for an immediate one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collects the signals that come inside the block; none outside the main thread."""
    heard, on_main = list[int](), threading.current_thread() is threading.main_thread()
    caught = SIGNALS if on_main else ()
    before = {each: signal.signal(each, lambda number, _: heard.append(number)) for each in caught}
    try:
        yield heard
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
