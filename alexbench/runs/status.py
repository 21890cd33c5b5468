"""What there is of a run without a record: its lock, its checkpoints, and why it failed.

All of it lies in ``unfinished/`` beside the records, and goes when the record is there.
"""

import contextlib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from alexbench.errors import BadInput
from alexbench.runs import outputs, record
from alexbench.runs.lock import lock
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run

Standing = Literal["done", "resumable", "to do", "failed"]


@dataclass(frozen=True)
class Failure:
    """Why a run gave no record, and where its output is."""

    run_id: str
    variant: str
    seed: int
    reason: str
    log: str


_ADAPTER = TypeAdapter(Failure)


def folder_of(folder: Path) -> Path:
    return folder / "unfinished"


def lock_of(run: Run, folder: Path) -> Path:
    return folder_of(folder) / f"{run.stem}.lock"


def log_of(run: Run, folder: Path) -> Path:
    return folder / "logs" / f"{run.stem}.log"


def failure_path(run: Run, folder: Path) -> Path:
    return folder_of(folder) / f"{run.stem}.failed.json"


def write_failure(run: Run, folder: Path, reason: str) -> Failure:
    """Note that a run failed; ``plan`` shows it, and ``run`` leaves it alone until told."""
    failure = Failure(run.run_id, run.variant, run.seed, reason, str(log_of(run, folder)))
    text = _ADAPTER.dump_json(failure, indent=1).decode() + "\n"
    record.write_text_safely(text, failure_path(run, folder))
    return failure


def read_failure(run: Run, folder: Path) -> Failure | None:
    """Why a run failed when it was last tried; None if it did not, or if that cannot be read."""
    try:
        return _ADAPTER.validate_json(failure_path(run, folder).read_bytes())
    except (OSError, ValidationError):
        return None


def missing(runs: Iterable[Run], folder: Path) -> list[Run]:
    """The runs that have no readable record yet, or lost outputs that are still to be averaged."""
    return [run for run in runs if not is_done(run, folder)]


def is_done(run: Run, folder: Path) -> bool:
    return read_record(run, folder) is not None


def read_record(run: Run, folder: Path) -> RunRecord | None:
    """The record of a run that is done: one that was to keep outputs has them, if it did not
    diverge."""
    try:
        found = record.read(run.record_path(folder))
    except BadInput:
        return None
    if not run.keep_views or found.status == "diverged":
        return found
    return found if set(run.keep_views) <= set(outputs.views(run.outputs_path(folder))) else None


def standings(runs: Iterable[Run], folder: Path, done: Container[Run]) -> list[Standing]:
    """How each run stands. done: the runs that have their record."""
    names = {path.name for path in folder_of(folder).glob("*")}
    checkpoints = {name.rsplit(".", 2)[0] for name in names if name.endswith(".checkpoint")}

    def standing(run: Run) -> Standing:
        if run in done:
            return "done"
        if failure_path(run, folder).name in names:
            return "failed"
        return "resumable" if run.stem in checkpoints else "to do"

    return [standing(run) for run in runs]


def tidy(runs: Iterable[Run], folder: Path) -> None:
    """Remove what a kill left of runs that are done, and the folder when it is empty."""
    place = folder_of(folder)
    left = {path.name for path in place.glob("*")}
    for run in runs:
        own = [name for name in left if name.startswith(f"{run.stem}.")]
        if own and is_done(run, folder):
            with lock(lock_of(run, folder)) as mine:  # which removes the lock itself
                for name in own if mine else []:
                    if not name.endswith(".lock"):
                        (place / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or another command was faster
        place.rmdir()
