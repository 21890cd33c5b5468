"""A worker process: runs come in as JSON lines, events go out as JSON lines.

It performs many runs, so that a run of ten seconds does not pay for importing torch. On SIGTERM,
and when its launcher is gone, it stops after the step in hand, with a checkpoint.
"""

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from alexbench.config.disk import open_log
from alexbench.config.execution import RunOptions, Slot
from alexbench.launch.child import Parent
from alexbench.launch.events import Event, ReadyEvent, to_json
from alexbench.launch.task import attempt
from alexbench.runs.run import from_json
from alexbench.runs.store import RunStore
from alexbench.training.allocator import keep_memory

ORPHAN_SECONDS = 30.0  # for the last step of a worker whose launcher is gone


def main() -> None:
    """Obey the launcher: the first line is the slot, each further line one run."""
    stop, jobs = threading.Event(), queue.SimpleQueue[dict[str, Any] | None]()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    parent = Parent()

    def send(event: Event) -> None:
        try:
            parent.send(to_json(event))
        except BrokenPipeError:
            stop.set()

    def leave() -> None:
        stop.set()
        jobs.put(None)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)  # stuck in a step: its lock has to go

    first = parent.hear()
    slot, options = Slot(**first["slot"]), RunOptions(**first["options"])
    torch.set_num_threads(slot.num_threads)
    keep_memory()
    faulthandler.enable()  # into the log
    send(ReadyEvent())
    parent.listen(jobs.put, leave)
    while not stop.is_set() and (job := jobs.get()):
        run, store = from_json(job["run"]), RunStore(Path(job["folder"]))
        send(attempt(run, slot, store, options, send, stop.is_set, to_log))


@contextmanager
def to_log(path: Path) -> Iterator[None]:
    """Send stderr to the file from here to the next run; an empty file is removed."""
    with open_log(path) as file:
        os.dup2(file.fileno(), 2)
    yield
    sys.stderr.flush()
    if path.stat().st_size == 0:
        path.unlink()


if __name__ == "__main__":
    main()
