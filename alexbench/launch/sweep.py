"""A whole ablation: plan, tune, train what is not trained yet, and write the tables."""

import functools
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config import placement
from alexbench.config.ablation import Ablation, load_ablation, with_tuned
from alexbench.config.execution import RunOptions, Slot, execution
from alexbench.config.schema import Config, TrainConfig
from alexbench.errors import BadInput, RunFailed
from alexbench.launch.events import Perform
from alexbench.launch.inspector import Scout, data_sha256, find_places, lrn_implementation
from alexbench.launch.progress import Progress
from alexbench.runs import record
from alexbench.runs.ensembles import averages, make, trainings
from alexbench.runs.lock import lock
from alexbench.runs.run import Run, measured_runs
from alexbench.runs.store import Failure, RunStore
from alexbench.runs.tuning import tune

Launch = Callable[[RunStore, RunOptions, Sequence[Slot]], AbstractContextManager[Perform]]
PlacesFor = Callable[[TrainConfig], list[Slot]]


@dataclass(frozen=True)
class Sweep:
    """An ablation with the slots that train it and the store that it fills."""

    ablation: Ablation
    slots: list[Slot]  # of runs on one device
    store: RunStore
    places_for: PlacesFor
    how: RunOptions
    scout: Scout

    @property
    def folder(self) -> Path:
        """results/<ablation>/<profile>."""
        return self.store.folder

    def identity(self, config: Config) -> dict[str, object]:
        """What decides a run's result besides its configuration and its seed."""
        slot = self.slots[0]
        on_cpu = slot.device == "cpu"
        lrn = self.scout.once(lrn_implementation, slot.device) if has_lrn(config) else None
        return {
            "data_sha256": self.scout.once(data_sha256, config.data, slot.data_root),
            "device": "cpu" if on_cpu else "cuda",
            # a CUDA device computes the same whatever the host's threads, which follow from --jobs
            "num_threads": slot.num_threads if on_cpu else None,
            "lrn": lrn,
        }


def has_lrn(config: Config) -> bool:
    return config.model.lrn in ("conv1", "conv2", "both")


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
    **how: Any,
) -> Sweep:
    """Check everything that can be wrong before anything trains.

    ablation: a path or a shipped name. settings: ``key=value`` texts over every configuration.
    device: ``auto``, ``cpu``, ``cuda``, ``cuda:<index>``, or several with commas. data_root: where
    the images are.
    jobs: runs at a time (None: as the cores or CUDA devices allow), each with ``threads`` threads.
    how: the fields of ``execution.RunOptions``, which change no result.
    Raises BadInput.
    """
    if seeds is not None and seeds < 1:
        raise BadInput(f"seeds: {seeds} is not allowed, it should be 1 or more")
    loaded = load_ablation(ablation, profile, seeds, settings)
    asked = execution(**how)
    launcher(asked)  # is installed
    if jobs is not None and asked.launcher != "local":
        raise BadInput("--jobs is for --launcher local: a cluster knows what it has room for")
    for option, given, of in (("address", asked.address, "ray"), ("slurm", asked.slurm, "slurm")):
        if given and asked.launcher != of:
            raise BadInput(f"--{option} is for --launcher {of}, and this is {asked.launcher}")
    if asked.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise BadInput("--tensorboard needs it: pip install 'alexbench[tensorboard]'")
    scout = Scout(here="torch" in sys.modules)
    variants = list(loaded.variants.values())

    @functools.cache
    def of_size(num_devices: int, alone: bool) -> list[Slot]:
        where = device, 1 if alone else jobs, threads, data_root
        if placement.torchrun_is_on():  # it has started the processes of the other devices
            return scout.ask(find_places, *where, 1, [])
        return scout.ask(find_places, *where, num_devices, variants)

    def places_for(train: TrainConfig) -> list[Slot]:
        return of_size(placement.num_devices(train), train.alone)

    for variant in variants:
        places_for(variant.train)
    where = of_size(1, False)
    store = RunStore(Path(results) / loaded.name / folder_name(profile, settings))
    return Sweep(loaded, where, store, places_for, asked, scout)


def folder_name(profile: str, settings: Sequence[str]) -> str:
    """The profile, and what was changed by hand: such runs never mix with the profile's own."""
    return re.sub(r"[^A-Za-z0-9_.,=+-]", "_", ",".join([profile, *sorted(settings)]))


def carry_out(sweep: Sweep) -> list[ComparisonRow]:
    """Tune, train what is not trained yet, and report; returns the comparison.

    Raises RunFailed when a run gave no record, with all others kept and reported.
    """
    make_writable(sweep.folder)
    with launcher(sweep.how)(sweep.store, sweep.how, sweep.slots) as perform:
        for variant in sweep.ablation.variants.values():
            sweep.identity(variant)  # decodes, or says what is wrong, just once
        execute = partial(train_all, sweep, perform)
        tuned = tune(sweep.ablation, sweep.identity, sweep.store, execute, warn)
        ablation = with_tuned(sweep.ablation, tuned)
        runs = trainings(ablation, sweep.identity, sweep.store)
        failures = train_missing(sweep, perform, runs)
    if failures and len(failures) == len(runs):
        raise RunFailed(told(failures, runs))
    with lock(sweep.folder.parent.parent / ".report.lock", wait=True):  # one command at a time
        comparison = write_report(sweep, ablation)
    if failures:
        raise RunFailed(told(failures, runs))
    return comparison


def write_report(sweep: Sweep, ablation: Ablation) -> list[ComparisonRow]:
    """Records of what is averaged, then the tables; returns the comparison."""
    from alexbench.report import build

    store, folder = sweep.store, sweep.folder
    for average in averages(ablation, sweep.identity):
        if not average.is_made(store) and not store.missing(average.members):
            record.write(make(average, store), store.record_path(average.run))
    planned = {run.run_id for run in measured_runs(ablation, sweep.identity)}
    _, comparison = build.write(ablation, folder.name, folder, warn, planned=planned)
    build.write_index(folder.parent.parent)
    return comparison


def warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)


def train_all(sweep: Sweep, perform: Perform, runs: Sequence[Run]) -> None:
    """Train the runs that have no record; raises RunFailed unless all have one then."""
    if failures := train_missing(sweep, perform, runs):
        raise RunFailed(told(failures, runs))


def train_missing(sweep: Sweep, perform: Perform, runs: Sequence[Run]) -> list[Failure]:
    """Train the runs that have no record, but for those that failed before unless told to, and
    those that another folder of the results has unless told not to.

    Neighbours that want the same slots share them; so runs that are timed stay seed by seed.
    Returns the failures, old and new. Raises RunFailed, in one line, where the sweep ends early.
    """
    sweep.scout.end()  # its memory is for the runs
    store = sweep.store
    try:
        if taken := store.copy_known(runs) if sweep.how.reuse else []:
            origins = ", ".join(sorted(set(taken)))
            print(f"{len(taken)} are copied from {origins}, not trained again", file=sys.stderr)
        to_do = store.missing(runs)
        again = sweep.how.retry_failed
        before = {run: None if again else store.read_failure(run) for run in to_do}
        to_try = [run for run, failure in before.items() if failure is None]
        failures = [failure for failure in before.values() if failure is not None]
        with Progress(runs, to_do, len(failures)) as progress:
            for slots, group in groupby(to_try, lambda run: sweep.places_for(run.config.train)):
                failures += perform(list(group), slots, progress.notify)
    except RunFailed as error:
        done = len(runs) - len(store.missing(runs))
        raise RunFailed(
            f"{error}; {done} of {len(runs)} runs are finished and kept in {store.folder}, "
            "the same command goes on from there"
        ) from None
    finally:
        store.tidy(runs)
    return failures


def launcher(how: RunOptions) -> Launch:
    """``launch`` of the launcher's file; raises BadInput where what it needs is not installed."""
    try:
        launch: Launch = importlib.import_module(f"alexbench.launch.{how.launcher}").launch
    except ModuleNotFoundError as error:
        raise BadInput(
            f"--launcher {how.launcher} needs {error.name}: pip install 'alexbench[{how.launcher}]'"
        ) from None
    return launch


def told(failures: Sequence[Failure], runs: Sequence[Run]) -> str:
    first = failures[0]
    return (
        f"{len(failures)} of {len(runs)} runs failed, the first: {first.variant}, seed "
        f"{first.seed}: {first.reason} (log: {first.log}); the others are kept, "
        "--retry-failed tries again"
    )


def make_writable(folder: Path) -> None:
    """Create the results folder and prove that a file can be written there; raises BadInput."""
    try:
        with lock(folder / ".writable"):
            pass
    except RunFailed as error:
        why = getattr(error.__cause__, "strerror", error)
        raise BadInput(
            f"{folder}: cannot be written ({why}); choose another folder with --results"
        ) from None
