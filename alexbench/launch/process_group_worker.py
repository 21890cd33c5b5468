"""One of the processes of a run on several devices: runs come in, events go out, as JSON lines."""

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from alexbench.config.execution import Slot
from alexbench.data import load_data
from alexbench.errors import BadInput, RunFailed
from alexbench.parallel.group import find_store, group, talk_at_home
from alexbench.parallel.placed import ProcessGroup
from alexbench.runs.run import from_json
from alexbench.runs.store import RunStore
from alexbench.training.allocator import keep_memory
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.runner import perform, steps_an_epoch
from alexbench.training.state import Row


def main() -> None:
    """Obey the crew: the first line says who this is, each further line is one run, or stop."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log, not among the events
    asked_to_stop = threading.Event()
    lines = listen(asked_to_stop)
    who = lines.get()
    slot, team = Slot(**who["slot"]), ProcessGroup(who["rank"], who["size"])
    torch.set_num_threads(slot.num_threads)
    keep_memory()
    talk_at_home()
    store = find_store(who["port"])

    def send(kind: str, **content: Any) -> None:
        events.write(json.dumps({"kind": kind, **content}) + "\n")

    while True:
        job = lines.get()
        try:
            with group(store, job["name"], team.rank, team.size, torch.device(slot.device)):
                train_one(job, slot, team, send, asked_to_stop.is_set)
        except Stopped:
            send("stopped")
        except Exception as error:
            traceback.print_exc()
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            send("failed", reason=reason, fatal=isinstance(error, (BadInput, RunFailed)))
        else:
            send("finished")


def train_one(
    job: dict[str, Any],
    slot: Slot,
    team: ProcessGroup,
    send: Callable[..., None],
    asked_to_stop: Callable[[], bool],
) -> None:
    """This process's part of one run; it says after every batch how far it is."""
    run, runs = from_json(job["run"]), RunStore(Path(job["folder"]))
    steps = steps_an_epoch(run, load_data(run.config.data, slot.data_root))

    def watch(epochs: float, images_per_second: float, history: Sequence[Row]) -> None:
        content = {"epochs": epochs, "images_per_second": images_per_second}
        send("progress", steps=round(epochs * steps), **content, history=history[-1:])

    def tell(line: str) -> None:
        if team.rank == 0:
            send("note", line=line)

    kept = job["checkpoints"]
    checkpoints = kept and Checkpoints(
        Path(kept["folder"]),
        kept["stem"],
        run.run_id,
        kept["seconds"],
        asked_to_stop,
        tell,
        team,
    )
    perform(run, slot, runs, watch, checkpoints, team)


def listen(asked_to_stop: threading.Event) -> "queue.Queue[dict[str, Any]]":
    """The lines that come in. Where they end the crew is gone, and this process ends with it."""
    lines: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            content = json.loads(line)
            if "stop" in content:
                asked_to_stop.set()
            else:
                lines.put(content)
        os._exit(1)  # whatever the other thread waits for

    threading.Thread(target=read, daemon=True).start()
    return lines


if __name__ == "__main__":
    main()
