"""One of the processes of a run on several devices: runs come in, events go out, as JSON lines."""

import os
import queue
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from alexbench.config.execution import Slot
from alexbench.data import load_data
from alexbench.errors import BadInput, RunFailed
from alexbench.launch import events
from alexbench.launch.child import Parent
from alexbench.launch.events import Event, HistoryRow, Send
from alexbench.launch.task import finished, reason
from alexbench.parallel.group import find_store, talk_at_home
from alexbench.parallel.group import group as joined
from alexbench.parallel.placed import ProcessGroup
from alexbench.runs.run import from_json
from alexbench.runs.store import RunStore
from alexbench.training.allocator import keep_memory
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.runner import perform, steps_an_epoch


def main() -> None:
    """Obey the launcher: the first line says who this is, each further line is one run, or stop.

    Ends at once with its input: the process that started it is gone.
    """
    parent, asked_to_stop = Parent(), threading.Event()
    jobs = queue.SimpleQueue[dict[str, Any]]()

    def hear(message: dict[str, Any]) -> None:
        asked_to_stop.set() if "stop" in message else jobs.put(message)

    def send(event: Event) -> None:
        parent.send(events.to_json(event))

    who = parent.hear()
    parent.listen(hear, lambda: os._exit(1))
    slot, group = Slot(**who["slot"]), ProcessGroup(who["rank"], who["size"])
    torch.set_num_threads(slot.num_threads)
    keep_memory()
    talk_at_home()
    store = find_store(who["port"])
    while True:
        job = jobs.get()
        device, exchange = torch.device(slot.device), job["run"]["config"]["train"]["exchange"]
        told = False
        try:
            with joined(store, job["name"], group.rank, group.size, device, exchange):
                try:
                    done = train_one(job, slot, group, send, asked_to_stop.is_set)
                except Exception as error:  # told before the group is left, which may take for ever
                    send(event_of(error))
                    told = True
                    raise
        except Exception as error:
            if not told:
                send(event_of(error))
        else:
            send(done)


def event_of(error: Exception) -> Event:
    """How a run ended that raised this; the traceback goes to stderr."""
    if isinstance(error, Stopped):
        return events.StoppedEvent()
    traceback.print_exception(error)
    return events.FailedEvent(reason(error), fatal=isinstance(error, BadInput | RunFailed))


def train_one(
    job: dict[str, Any],
    slot: Slot,
    group: ProcessGroup,
    send: Send,
    asked_to_stop: Callable[[], bool],
) -> events.FinishedEvent:
    """Train this process's part of one run; sends its progress."""
    run, runs = from_json(job["run"]), RunStore(Path(job["folder"]))
    steps = steps_an_epoch(run, load_data(run.config.data, slot.data_root))
    seldom = events.progress(slot.device)

    def watch(epochs: float, images_per_second: float, history: Sequence[HistoryRow]) -> None:
        if not seldom.again():
            return
        row = history[-1] if history else None
        send(events.ProgressEvent(epochs, images_per_second, row, round(epochs * steps)))

    def tell(line: str) -> None:
        if group.rank == 0:
            send(events.NoteEvent(line))

    kept = job["checkpoints"]
    checkpoints = kept and Checkpoints(
        Path(kept["folder"]), kept["stem"], run.run_id, kept["seconds"], asked_to_stop, tell, group
    )
    return finished(perform(run, slot, runs, watch, checkpoints, group))


if __name__ == "__main__":
    main()
