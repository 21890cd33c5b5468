"""Checkpoints of a run: written whole or not at all, and never believed without a proof.

A file is what ``torch.save`` made of the state, and then the SHA-256 of that. It is loaded as
tensors, numbers and texts alone (``weights_only``), so that no file, whoever wrote it, runs code.
"""

import hashlib
import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from alexbench.errors import first_line
from alexbench.parallel.group import from_first
from alexbench.parallel.placed import ALONE, ProcessGroup
from alexbench.runs.files import read_bytes, write_safely
from alexbench.training.state import State, capture, now, restore

KEPT = 2  # the newest, and the one before it in case that the newest is damaged
# calls of keep: so often the first process tells the others whether it is time; a word waits for
# the GPU, whose steps are short
CALLS_BETWEEN_WORDS = {"cpu": 16, "cuda": 256}
DIGEST_BYTES = hashlib.sha256().digest_size


class Stopped(Exception):
    """The run was asked to stop, and left a checkpoint to go on from."""


class Checkpoints:
    """The checkpoints of one run: ``<record's stem>.<number>.checkpoint`` in a folder of their own.

    seconds: between two of them. asked_to_stop: looked at between two batches. tell: hears a line
    about what was found. One process at a time may have the checkpoints of a run; or the processes
    of its group, of which the first reads and writes, and says when.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        run_id: str,
        seconds: float,
        asked_to_stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda line: None,
        group: ProcessGroup = ALONE,
    ) -> None:
        self.folder, self.stem, self.run_id = folder, stem, run_id
        self.seconds, self.asked_to_stop, self.tell = seconds, asked_to_stop, tell
        self.calls = 0
        self.join(group)
        self.next_number = 1
        self.due = time.monotonic() + seconds

    def join(self, group: ProcessGroup) -> None:
        """Be the checkpoints of a process of that group."""
        self.group = group
        self.from_first = partial(from_first, group.rank, group.size)

    def resume(self, start: Callable[[], State]) -> State:
        """The state of the newest checkpoint that is whole; without one, as ``start`` makes it."""
        for name in reversed(self.from_first(lambda: [path.name for path in self.paths()])):
            path = self.folder / name
            self.next_number = max(self.next_number, number(path) + 1)
            state = start()
            try:
                restore(state, self.from_first(partial(read, path, self.run_id)))
            except Exception as error:  # whatever a damaged file makes torch raise
                self.tell(f"{path}: not a whole checkpoint of this run ({reason(error)}): left out")
                path.unlink(missing_ok=True)
            else:
                epochs, images = len(state.history), state.running.images
                self.tell(f"resumed after {epochs} epochs and {images} images")
                return state
        return start()

    def keep(self, state: State) -> float:
        """Write a checkpoint if it is time for one; returns the seconds that it took.

        Raises Stopped, after a checkpoint, where the run is to stop; RunFailed on a full disk.
        """
        self.calls += 1
        between = CALLS_BETWEEN_WORDS[state.running.loss.device.type]
        if self.group.size > 1 and self.calls % between:
            return 0.0
        stop, due = self.from_first(lambda: (self.asked_to_stop(), time.monotonic() >= self.due))
        if not (stop or due):
            return 0.0
        began = now(state.running.loss.device)
        path = self.folder / f"{self.stem}.{self.next_number:06d}.checkpoint"
        content = capture(state)
        self.next_number += 1
        if self.group.rank == 0:
            write(path, self.run_id, content)
            for old in self.paths()[:-KEPT]:
                old.unlink()
        if stop:
            raise Stopped
        self.due = time.monotonic() + self.seconds
        return time.perf_counter() - began

    def paths(self) -> list[Path]:
        """The checkpoints that are there, the oldest first."""
        return sorted(self.folder.glob(f"{self.stem}.*.checkpoint"), key=number)

    def remove(self) -> None:
        """Forget the run, as its record is written; with what a kill left half written."""
        for path in self.folder.glob(f"{self.stem}.*.checkpoint*"):
            path.unlink()


def number(path: Path) -> int:
    """The number in a checkpoint's file name."""
    return int(path.name.split(".")[-2])


def write(path: Path, run_id: str, content: dict[str, Any]) -> None:
    """Write a checkpoint; raises RunFailed if the disk does not take it."""
    buffer = io.BytesIO()  # torch.save into a file that fails ends the process
    torch.save(content | {"run_id": run_id}, buffer)
    data = buffer.getbuffer()
    write_safely([data, hashlib.sha256(data).digest()], path)


def read(path: Path, run_id: str) -> dict[str, Any]:
    """The content that ``write`` stored; raises for any other file, and never runs its code."""
    data = memoryview(read_bytes(path))
    content, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its SHA-256 is wrong")
    loaded: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if loaded.pop("run_id") != run_id:
        raise ValueError("of another run")
    return loaded


def reason(error: Exception) -> str:
    """The first sentence of an error."""
    return first_line(error).partition(". ")[0]
