"""One of the processes of a run on several devices: runs come in, events go out, as JSON lines."""

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import torch

from alexbench.allocator import keep_memory
from alexbench.errors import BadInput, RunFailed
from alexbench.launch.worker import from_json
from alexbench.parallel.group import find_store, group, talk_at_home
from alexbench.parallel.place import Team
from alexbench.perform import Place, load_data, perform, steps_an_epoch


def main() -> None:
    """Obey the crew: the first line says who this is, each further line is one run."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log, not among the events
    lines = listen()
    who = json.loads(lines.get())
    place, rank, size = Place(**who["place"]), who["rank"], who["size"]
    torch.set_num_threads(place.num_threads)
    keep_memory()
    talk_at_home()
    store = find_store(who["port"])

    def send(kind: str, **content: Any) -> None:
        events.write(json.dumps({"kind": kind, **content}) + "\n")

    while True:
        job = json.loads(lines.get())
        run, folder = from_json(job["run"]), Path(job["folder"])
        try:
            steps = steps_an_epoch(run, load_data(run.config.data, place.data_root))

            def watch(
                epochs: float, speed: float, test_error: float | None, steps: int = steps
            ) -> None:
                progress = {"epochs": epochs, "steps": round(epochs * steps)}
                send("progress", **progress, images_per_second=speed, test_error=test_error)

            with group(store, job["name"], rank, size, torch.device(place.device)):
                perform(run, place, folder, watch, Team(rank, size))
        except Exception as error:
            traceback.print_exc()
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            send("failed", reason=reason, fatal=isinstance(error, (BadInput, RunFailed)))
        else:
            send("finished")


def listen() -> "queue.Queue[str]":
    """The lines that come in. Where they end the crew is gone, and this process ends with it."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(1)  # whatever the other thread waits for

    threading.Thread(target=read, daemon=True).start()
    return lines


if __name__ == "__main__":
    main()
