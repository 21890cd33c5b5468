"""A run that another ablation has trained: an equal id, so the same net; its record is copied.

The net of the paper is an arm of half the ablations; it is trained once for all of them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from alexbench import pictures, record
from alexbench.errors import BadInput
from alexbench.plan import Run
from alexbench.record import RunRecord
from alexbench.unfinished import read_record


def known(run: Run, folder: Path) -> RunRecord | None:
    """The record of a run in its own folder, or as another ablation of these results has it."""
    return read_record(run, folder) or next((done for done, _ in elsewhere(run, folder)), None)


def take(run: Run, folder: Path) -> RunRecord | None:
    """Copy the record of another ablation, and its pictures; returns it, None if there is none.

    The environment of the copy says in ``trained_for`` what it was trained for: ``lrn/laptop``.
    """
    for done, origin in elsewhere(run, folder):
        shown, _ = pictures.read_folder(origin, [run.run_id])
        for each in shown[:1]:
            pictures.write(replace(each, variant=run.variant), folder)
        record.write(done, run.record_path(folder))
        return done
    return None


def elsewhere(run: Run, folder: Path) -> Iterator[tuple[RunRecord, Path]]:
    """The run's records as its own, and the folders they come from.

    Outputs are not copied: a run that keeps them for averages is always trained.
    """
    own = run.record_path(folder)
    pattern = f"*/*/{own.parent.name}/*-seed{run.seed}-{run.run_id[:10]}.json"
    for path in [] if run.keep_views else sorted(folder.parent.parent.glob(pattern)):
        origin = path.parent.parent
        where = f"{origin.parent.name}/{origin.name}"
        with contextlib.suppress(BadInput):
            found = record.read(path)
            in_its_place = found.ablation == origin.parent.name and origin != folder
            if in_its_place and found.run_id == run.run_id:
                yield (
                    replace(
                        found,
                        ablation=run.ablation,
                        profile=run.profile,
                        variant=run.variant,
                        tuned=run.tuned,
                        environment={"trained_for": where} | found.environment,
                    ),
                    origin,
                )
