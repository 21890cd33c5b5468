"""A worker process: runs come in as JSON lines, events go out as JSON lines.

It lives for many runs, so that a run of ten seconds does not pay for importing torch.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import torch

from alexbench.allocator import keep_memory
from alexbench.errors import BadInput, RunFailed
from alexbench.perform import Place, perform
from alexbench.plan import Run
from alexbench.schema import Config
from alexbench.state import Row

SECONDS_BETWEEN_EVENTS = 0.5


def main() -> None:
    """Obey the launcher: the first line is the place, each further line one run."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log, not among the events
    place = Place(**json.loads(sys.stdin.readline()))
    torch.set_num_threads(place.num_threads)
    keep_memory()
    for line in sys.stdin:
        job = json.loads(line)
        run_one(from_json(job["run"]), place, Path(job["folder"]), Path(job["log"]), events)


def run_one(run: Run, place: Place, folder: Path, log: Path, events: TextIO) -> None:
    """Perform one run with its own log file, and say how it went."""
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
    last = 0.0

    def send(kind: str, **content: Any) -> None:
        events.write(json.dumps({"kind": kind, **content}) + "\n")

    def watch(epochs: float, images_per_second: float, history: Sequence[Row]) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_EVENTS:
            last = time.monotonic()
            test_error = history[-1]["test_error"] if history else None
            progress = {"epochs": epochs, "images_per_second": images_per_second}
            send("progress", **progress, test_error=test_error)

    try:
        done = perform(run, place, folder, watch)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        send("failed", reason=reason, fatal=isinstance(error, (BadInput, RunFailed)))
    else:
        if log.stat().st_size == 0:
            log.unlink()
        send("finished", status=done.status, row=done.history[-1])


def to_json(run: Run) -> dict[str, Any]:
    return asdict(run) | {"config": run.config.model_dump(mode="json")}


def from_json(content: dict[str, Any]) -> Run:
    return Run(**content | {"config": Config.model_validate(content["config"])})


if __name__ == "__main__":
    main()
