"""A worker process: runs come in as JSON lines, events go out as JSON lines.

It lives for many runs, so that a run of ten seconds does not pay for importing torch. It stops
after the step in hand, with a checkpoint, on SIGTERM and when its launcher is gone.
"""

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from alexbench.config.execution import RunOptions, Slot
from alexbench.launch.events import Event
from alexbench.launch.task import attempt
from alexbench.runs.run import from_json
from alexbench.runs.store import RunStore
from alexbench.training.allocator import keep_memory

ORPHAN_SECONDS = 30.0  # for the last step of a worker whose launcher is gone

Jobs = queue.SimpleQueue[str | None]


def main() -> None:
    """Obey the launcher: the first line is the slot, each further line one run."""
    stop, jobs = threading.Event(), Jobs()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    pipe = os.dup(1)
    os.dup2(2, 1)  # what a library prints goes to the log, not among the events

    def send(event: Event) -> None:
        try:
            os.write(pipe, (json.dumps(event) + "\n").encode())
        except BrokenPipeError:
            stop.set()

    first = json.loads(sys.stdin.readline())
    slot, how = Slot(**first["slot"]), RunOptions(**first["how"])
    torch.set_num_threads(slot.num_threads)
    keep_memory()
    faulthandler.enable()  # into the log
    send({"kind": "ready"})
    threading.Thread(target=listen, args=(jobs, stop), daemon=True).start()
    while not stop.is_set() and (line := jobs.get()):
        job = json.loads(line)
        run, store = from_json(job["run"]), RunStore(Path(job["folder"]))
        send(attempt(run, slot, store, how, send, stop.is_set, to_log))


@contextmanager
def to_log(path: Path) -> Iterator[None]:
    """From here to the next run, stderr goes to the file, which is removed if it stays empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
    yield
    sys.stderr.flush()
    if path.stat().st_size == 0:
        path.unlink()


def listen(jobs: Jobs, stop: threading.Event) -> None:
    """Hand on what the launcher says; when it has no more to say, or is gone, stop."""
    for line in sys.stdin:
        jobs.put(line)
    stop.set()
    jobs.put(None)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)  # stuck in a step: its lock has to go


if __name__ == "__main__":
    main()
