"""A run that another folder of the results has: an equal id, so the same net; its record is copied.

An arm of several ablations, like the paper's own net, is so trained once for all of them.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from alexbench import pictures, record
from alexbench.claim import claim
from alexbench.errors import BadInput
from alexbench.plan import Run
from alexbench.record import RunRecord
from alexbench.unfinished import is_done, lock_of, missing, read_record


def known(run: Run, folder: Path) -> RunRecord | None:
    """The record of a run in its own folder, or as ``take`` would copy it; copies nothing."""
    return read_record(run, folder) or next((copy for copy, _ in copies(run, folder)), None)


def take(runs: Iterable[Run], folder: Path) -> list[str]:
    """Copy what other folders have of the runs without a record; returns where from, a copy each.

    The environment of a copy says in ``trained_for`` what it was trained for: ``lrn/laptop``. A
    run that another process has in hand is left to it.
    """
    taken = []
    for run in missing(runs, folder):
        copy, origin = next(copies(run, folder), (None, folder))
        if copy is None:
            continue
        with claim(lock_of(run, folder)) as mine:
            if mine and not is_done(run, folder):
                shown, _ = pictures.read_folder(origin, [run.run_id])
                for each in shown[:1]:
                    pictures.write(replace(each, variant=run.variant), folder)
                record.write(copy, run.record_path(folder))  # last, as in perform
                taken.append(copy.environment["trained_for"])
    return taken


def copies(run: Run, folder: Path) -> Iterator[tuple[RunRecord, Path]]:
    """The run's trained records in other folders, as its own, and the folders.

    None of a run whose time is the question, or whose outputs are kept: those are not copied.
    """
    if run.keep_views or run.config.train.alone:
        return
    own = run.record_path(folder)
    name = f"*-seed{run.seed}-{run.run_id[:10]}.json"
    for path in sorted(folder.parent.parent.glob(f"*/*/{own.parent.name}/{name}")):
        origin = path.parent.parent
        where = f"{origin.parent.name}/{origin.name}"
        with contextlib.suppress(BadInput):
            found = record.read(path)
            in_its_place = found.ablation == origin.parent.name and origin != folder
            trained = "step_seconds" in found.measurements  # and not an average of outputs
            if in_its_place and trained and found.run_id == run.run_id:
                copy = replace(
                    found,
                    ablation=run.ablation,
                    profile=run.profile,
                    variant=run.variant,
                    tuned=run.tuned,
                    environment={"trained_for": where} | found.environment,
                )
                yield copy, origin
