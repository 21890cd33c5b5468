"""A whole ablation: plan, tune, train what is not trained yet, and write the tables."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import pandas as pd

from alexbench import config, record, report
from alexbench.averages import averages, make, trainings
from alexbench.config import Ablation
from alexbench.errors import BadInput, RunFailed
from alexbench.launch import local
from alexbench.parallel import needs
from alexbench.perform import Place, identity, load_data
from alexbench.places import places
from alexbench.plan import Run, measured_runs
from alexbench.progress import Progress
from alexbench.schema import Config, TrainConfig
from alexbench.tuning import tune

PlacesFor = Callable[[TrainConfig], list[Place]]


@dataclass(frozen=True)
class Sweep:
    """An ablation with the places that train it and the folder that it fills."""

    ablation: Ablation
    places: list[Place]  # of runs on one device
    folder: Path
    places_for: PlacesFor

    def identity(self, config: Config) -> dict[str, object]:
        return identity(config, self.places[0])


def prepare(
    ablation: str,
    profile: str = "laptop",
    seeds: int | None = None,
    settings: Sequence[str] = (),
    device: str = "auto",
    data_root: str | None = None,
    results: str = "results",
    jobs: int | None = None,
    threads: int | None = None,
) -> Sweep:
    """Check everything that can be wrong before anything trains.

    ablation: a path or a shipped name. settings: ``key=value`` texts over every configuration.
    device: ``auto``, ``cpu``, ``cuda``, ``cuda:<index>``, or several with commas. data_root: where
    the images are.
    jobs: runs at a time (None: as the cores or CUDA devices allow), each with ``threads`` threads.
    Raises BadInput.
    """
    if seeds is not None and seeds < 1:
        raise BadInput(f"seeds: {seeds} is not allowed, it should be 1 or more")
    loaded = config.load(ablation, profile, seeds, settings)

    def places_for(train: TrainConfig) -> list[Place]:
        num_jobs = 1 if train.alone else jobs
        return places(device, num_jobs, threads, data_root, needs.num_devices(train))

    for variant in loaded.variants.values():
        places_for(variant.train)
    where = places(device, jobs, threads, data_root)
    folder = Path(results) / loaded.name / folder_name(profile, settings)
    return Sweep(loaded, where, folder, places_for)


def folder_name(profile: str, settings: Sequence[str]) -> str:
    """The profile, and what was changed by hand: such runs never mix with the profile's own."""
    return re.sub(r"[^A-Za-z0-9_.,=+-]", "_", ",".join([profile, *sorted(settings)]))


def carry_out(sweep: Sweep) -> pd.DataFrame:
    """Tune, train what is not trained yet, and report; returns the comparison.

    Raises RunFailed when a run gave no record, with all others kept.
    """
    make_writable(sweep.folder)
    for data in {variant.data for variant in sweep.ablation.variants.values()}:
        load_data(data, sweep.places[0].data_root)  # decodes, or says what is wrong, just once
    execute = partial(train_missing, places_for=sweep.places_for, folder=sweep.folder)
    tuned = tune(sweep.ablation, sweep.identity, sweep.folder, execute, warn)
    ablation = config.with_tuned(sweep.ablation, tuned)
    execute(trainings(ablation, sweep.identity, sweep.folder))
    for average in averages(ablation, sweep.identity):
        if not average.is_made(sweep.folder):
            record.write(make(average, sweep.folder), average.run.record_path(sweep.folder))
    planned = {run.run_id for run in measured_runs(ablation, sweep.identity)}
    report.write(ablation, sweep.folder.name, sweep.folder, warn, planned=planned)
    report.write_index(sweep.folder.parent.parent)
    records, _ = report.read(ablation, sweep.folder, planned)
    return report.comparison(ablation, sweep.folder.name, records)


def warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)


def train_missing(runs: Sequence[Run], places_for: PlacesFor, folder: Path) -> None:
    """Train the runs that have no record; raises RunFailed in one line, with the rest kept.

    Neighbours that want the same places share them; so runs that are timed stay seed by seed.
    """
    missing = missing_runs(runs, folder)
    failures: list[local.Failure] = []
    try:
        with Progress(runs, missing) as progress:
            for places, group in groupby(missing, lambda run: places_for(run.config.train)):
                failures += local.execute(list(group), places, folder, progress.notify)
    except (RunFailed, KeyboardInterrupt) as error:
        done = len(runs) - len(missing_runs(runs, folder))
        raise RunFailed(
            f"{str(error) or 'interrupted'}; {done} of {len(runs)} runs are finished and kept in "
            f"{folder}, the same command goes on from there"
        ) from None
    if failures:
        first = failures[0]
        raise RunFailed(
            f"{len(failures)} of {len(runs)} runs failed, the first: {first.run.variant}, "
            f"seed {first.run.seed}: {first.reason} (log: {first.log}); the others are kept"
        )


def missing_runs(runs: Sequence[Run], folder: Path) -> list[Run]:
    """The runs that have no readable record yet, or lost outputs that are still to be averaged."""
    return [run for run in runs if not is_done(run, folder)]


def is_done(run: Run, folder: Path) -> bool:
    try:
        record.read(run.record_path(folder))
    except BadInput:
        return False
    return not run.keep_views or run.outputs_path(folder).exists()


def make_writable(folder: Path) -> None:
    """Create the results folder and prove that a file can be written there; raises BadInput."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with --results"
        ) from None
