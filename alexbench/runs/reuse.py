"""A run that another folder of the results has: an equal id, so the same net; its record is copied.

An arm of several ablations, like the paper's own net, is so trained once for all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from alexbench.errors import BadInput
from alexbench.runs import pictures, record
from alexbench.runs.lock import lock
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run
from alexbench.runs.status import is_done, lock_of, missing, read_record


def known(runs: Iterable[Run], folder: Path) -> dict[Run, RunRecord]:
    """The records of runs in their own folder, or as ``take`` would copy them; copies nothing."""
    own = {run: read_record(run, folder) for run in runs}
    found = {run: copy for run, copy, _ in copies([r for r in own if own[r] is None], folder)}
    return {run: done for run in own if (done := own[run] or found.get(run))}


def take(runs: Iterable[Run], folder: Path) -> list[str]:
    """Copy what other folders have of the runs without a record; returns where from, a copy each.

    The environment of a copy says in ``trained_for`` what it was trained for: ``lrn/laptop``. A
    run that another process has in hand is left to it.
    """
    taken = []
    for run, copy, origin in copies(missing(runs, folder), folder):
        with lock(lock_of(run, folder)) as mine:
            if mine and not is_done(run, folder):
                shown, _ = pictures.read_folder(origin, [run.run_id])
                for each in shown[:1]:
                    pictures.write(replace(each, variant=run.variant), folder, copy.data["source"])
                record.write(copy, run.record_path(folder))  # last, as in perform
                taken.append(copy.environment["trained_for"])
    return taken


def copies(runs: Iterable[Run], folder: Path) -> Iterator[tuple[Run, RunRecord, Path]]:
    """Each run that another folder has trained, its record as the run's own, and that folder.

    None of a run whose time is the question, or whose outputs are kept: those are not copied.
    """
    elsewhere: dict[str, list[Path]] = defaultdict(list)  # listed once for all runs
    for path in sorted(folder.parent.parent.glob("*/*/*/*.json")):
        if path.parents[1] != folder:
            elsewhere[ending(path)].append(path)
    for run in runs:
        if run.keep_views or run.config.train.alone:
            continue
        for path in elsewhere[ending(run.record_path(folder))]:
            if copy := own_copy(run, path):
                yield run, copy, path.parents[1]
                break


def ending(path: Path) -> str:
    """What a run's files are called in every ablation: their kind, and their stem's end."""
    return f"{path.parent.name}/{path.stem.rpartition('-')[2]}"


def own_copy(run: Run, path: Path) -> RunRecord | None:
    """The record at ``path`` as the run's own; None if it is another or not in its place."""
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
        environment={"trained_for": f"{ablation}/{profile}"} | found.environment,
    )
