"""The files of the runs of one ablation and profile: records, outputs, locks, failures and logs.

Locks, checkpoints and failures lie in ``unfinished/`` beside the records, until a run is done. Runs
of equal id are trained once: the store copies the records of other ablations.
"""

import contextlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from alexbench.errors import BadInput
from alexbench.runs import files, outputs, pictures, record
from alexbench.runs.lock import lock
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run

Standing = Literal["done", "resumable", "to do", "failed"]
KINDS = {"measure": "runs", "tune": "tuning", "member": "members"}


@dataclass(frozen=True)
class Failure:
    """Why a run gave no record, and where its output is."""

    run_id: str
    variant: str
    seed: int
    reason: str
    log: str


_ADAPTER = TypeAdapter(Failure)


@dataclass(frozen=True)
class RunStore:
    """The files below ``folder``, which is results/<ablation>/<profile>."""

    folder: Path

    @property
    def unfinished(self) -> Path:
        """The folder of locks, checkpoints and failures."""
        return self.folder / "unfinished"

    def record_path(self, run: Run) -> Path:
        """The record's file."""
        return self.folder / KINDS[run.purpose] / f"{run.stem}.json"

    def outputs_path(self, run: Run) -> Path:
        """The file of the softmax outputs on the test images."""
        return self.folder / "outputs" / f"{run.run_id}.npz"

    def log_path(self, run: Run) -> Path:
        """The log of the run's last attempt."""
        return self.folder / "logs" / f"{run.stem}.log"

    def failure_path(self, run: Run) -> Path:
        """The file that says why the run failed."""
        return self.unfinished / f"{run.stem}.failed.json"

    def lock(self, run: Run) -> AbstractContextManager[bool]:
        """Lock the run; gives whether this process has it. Raises RunFailed as ``lock`` does."""
        return lock(self.unfinished / f"{run.stem}.lock")

    def write_failure(self, run: Run, reason: str) -> None:
        """Note that a run failed; ``plan`` shows it, and ``run`` leaves it alone until told."""
        failure = Failure(run.run_id, run.variant, run.seed, reason, str(self.log_path(run)))
        text = _ADAPTER.dump_json(failure, indent=1).decode() + "\n"
        files.write_text_safely(text, self.failure_path(run))

    def read_failure(self, run: Run) -> Failure | None:
        """Why the run failed when it was last tried; None if it did not, or cannot be read."""
        try:
            return _ADAPTER.validate_json(files.read_bytes(self.failure_path(run)))
        except (OSError, ValidationError):
            return None

    def read_record(self, run: Run) -> RunRecord | None:
        """The record of a run; None if it is unreadable, or if outputs to keep are missing."""
        try:
            found = record.read(self.record_path(run))
        except BadInput:
            return None
        if not run.keep_views or found.status == "diverged":
            return found
        return found if set(run.keep_views) <= set(outputs.views(self.outputs_path(run))) else None

    def is_done(self, run: Run) -> bool:
        """Whether the run has a readable record and the outputs to keep."""
        return self.read_record(run) is not None

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Runs still to train: no readable record, or outputs to keep are missing."""
        return [run for run in runs if not self.is_done(run)]

    def standings(self, runs: Iterable[Run], done: Container[Run]) -> list[Standing]:
        """How each run stands. done: the runs that have their record."""
        names = {path.name for path in self.unfinished.glob("*")}
        checkpoints = {name.rsplit(".", 2)[0] for name in names if name.endswith(".checkpoint")}

        def standing(run: Run) -> Standing:
            if run in done:
                return "done"
            if self.failure_path(run).name in names:
                return "failed"
            return "resumable" if run.stem in checkpoints else "to do"

        return [standing(run) for run in runs]

    def tidy(self, runs: Iterable[Run]) -> None:
        """Remove what a kill left of runs that are done, and the folder when it is empty."""
        left = {path.name for path in self.unfinished.glob("*")}
        for run in runs:
            own = [name for name in left if name.startswith(f"{run.stem}.")]
            if own and self.is_done(run):
                with self.lock(run) as mine:  # which removes the lock itself
                    for name in own if mine else []:
                        if not name.endswith(".lock"):
                            (self.unfinished / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or another command was faster
            self.unfinished.rmdir()

    def known(self, runs: Iterable[Run]) -> dict[Run, RunRecord]:
        """The records of runs that are done here, or in another folder; copies nothing."""
        own = {run: self.read_record(run) for run in runs}
        found = {run: copy for run, copy, _ in self.copies(r for r in own if own[r] is None)}
        return {run: done for run in own if (done := own[run] or found.get(run))}

    def copy_known(self, runs: Iterable[Run]) -> list[str]:
        """Copy the records that other folders have of missing runs; returns the origin of each.

        The copy's environment says what it was trained for: ``trained_for: lrn/laptop``. A run that
        another process has locked is left to it.
        """
        origins = []
        for run, copy, origin in self.copies(self.missing(runs)):
            with self.lock(run) as mine:
                if mine and not self.is_done(run):
                    shown, _ = pictures.read_folder(origin, {run.run_id: None})
                    for each in shown[:1]:
                        own = replace(each, variant=run.variant)
                        pictures.write(own, self.folder, copy.data["source"])
                    record.write(copy, self.record_path(run))  # last, as in perform
                    origins.append(copy.environment["trained_for"])
        return origins

    def copies(self, runs: Iterable[Run]) -> Iterator[tuple[Run, RunRecord, Path]]:
        """Each run that another folder has trained, its record as the run's own, and that folder.

        Runs that are timed alone or keep outputs are never copied.
        """
        elsewhere: dict[str, list[Path]] = defaultdict(list)  # listed once for all runs
        for path in sorted(self.folder.parent.parent.glob("*/*/*/*.json")):
            if path.parents[1] != self.folder:
                elsewhere[ending(path)].append(path)
        for run in runs:
            if run.keep_views or run.config.train.alone:
                continue
            for path in elsewhere[ending(self.record_path(run))]:
                if copy := own_copy(run, path):
                    yield run, copy, path.parents[1]
                    break


def ending(path: Path) -> str:
    """The part of a record's path that is equal in every ablation: ``runs/<start of the id>``."""
    return f"{path.parent.name}/{path.stem.rpartition('-')[2]}"


def own_copy(run: Run, path: Path) -> RunRecord | None:
    """The record at ``path`` as the run's own; None if it is of another run or ablation."""
    try:
        found = record.read(path)
    except BadInput:
        return None
    profile, ablation = path.parents[1].name, path.parents[2].name
    if found.run_id != run.run_id or found.ablation != ablation or not record.was_trained(found):
        return None
    return replace(
        found,
        ablation=run.ablation,
        profile=run.profile,
        variant=run.variant,
        tuned=run.tuned,
        files=run.files,
        environment={"trained_for": f"{ablation}/{profile}"} | found.environment,
    )
