"""A pool of worker processes on this machine, each with a device and threads of its own."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexbench.errors import RunFailed
from alexbench.launch.worker import to_json
from alexbench.perform import Place
from alexbench.plan import Run

Event = dict[str, Any]
Notify = Callable[[Run, Event], None]


@dataclass(frozen=True)
class Failure:
    """A run that gave no record, and why."""

    run: Run
    reason: str
    log: Path


class Worker:
    """One process and the run that it has in hand."""

    def __init__(self, place: Place, events: "queue.Queue[tuple[Worker, Event]]") -> None:
        threads = str(place.num_threads)
        self.place = place
        self.run: Run | None = None
        self.log = Path()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "alexbench.launch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which decides
            env=os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        )
        self.send(asdict(place))
        self.listener = threading.Thread(target=self.listen, args=(events,), daemon=True)
        self.listener.start()

    def send(self, content: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(content) + "\n")
        self.process.stdin.flush()

    def listen(self, events: "queue.Queue[tuple[Worker, Event]]") -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        status = self.process.wait()
        events.put((self, {"kind": "died", "reason": f"its process ended with status {status}"}))

    def start(self, run: Run, folder: Path) -> None:
        self.run = run
        self.log = folder / "logs" / f"{run.record_path(folder).stem}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.send({"run": to_json(run), "folder": str(folder), "log": str(self.log)})

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def execute(
    runs: Sequence[Run], places: Sequence[Place], folder: Path, notify: Notify
) -> list[Failure]:
    """Perform every run, one at a time in each place; a failed run does not end the others.

    Returns the failures. What would fail every run (bad input, a full disk) raises RunFailed.
    """
    waiting, failures = deque(runs), list[Failure]()
    events: queue.Queue[tuple[Worker, Event]] = queue.Queue()
    workers = [Worker(place, events) for place in places[: len(runs)]]
    try:
        for worker in workers:
            worker.start(waiting.popleft(), folder)
        while any(worker.run for worker in workers):
            worker, event = events.get()
            run = worker.run
            if run is None:
                continue
            notify(run, event)
            if event["kind"] == "progress":
                continue
            if event["kind"] != "finished":
                failures.append(Failure(run, event["reason"], worker.log))
                if event.get("fatal"):
                    raise RunFailed(f"{run.variant}, seed {run.seed}: {event['reason']}")
            worker.run = None
            if event["kind"] == "died":
                worker.stop()
                workers.remove(worker)
                if waiting:
                    worker = Worker(worker.place, events)
                    workers.append(worker)
            if waiting:
                worker.start(waiting.popleft(), folder)
    finally:
        for worker in workers:
            worker.stop()
    return failures
