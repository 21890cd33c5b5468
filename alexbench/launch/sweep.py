"""A whole ablation: plan, tune, train what is not trained yet, and write the tables."""

import functools
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexbench.config import placement
from alexbench.config.ablation import Ablation, with_tuned
from alexbench.config.ablation_file import MOST_SEEDS
from alexbench.config.constraints import own_code
from alexbench.config.execution import RunOptions, Slot, execution
from alexbench.config.load import load_ablation
from alexbench.config.schema import Config, Overrides, TrainConfig
from alexbench.errors import BadInput, RunFailed, one_line, shown
from alexbench.launch.events import Perform
from alexbench.launch.inspector import (
    Inspector,
    check_images,
    check_own,
    check_precision,
    data_sha256,
    find_slots,
    gpu,
    lrn_implementation,
)
from alexbench.launch.progress import Progress
from alexbench.runs import asked_with, record
from alexbench.runs.ensembles import averages, make, trainings
from alexbench.runs.lock import lock
from alexbench.runs.run import Run, measured_runs
from alexbench.runs.store import Failure, RunStore
from alexbench.runs.tuning import tune, widened

if TYPE_CHECKING:
    from alexbench.report.result import Result

Launch = Callable[[RunStore, RunOptions, Sequence[Slot]], AbstractContextManager[Perform]]
SlotsFor = Callable[[TrainConfig], list[Slot]]


@dataclass(frozen=True)
class Sweep:
    """A checked ablation, ready to run: its slots, its store of runs and its options."""

    ablation: Ablation
    slots: list[Slot]  # of runs on one device
    store: RunStore
    slots_for: SlotsFor
    options: RunOptions
    inspector: Inspector
    settings: Overrides = field(default_factory=dict)  # of --set

    @property
    def folder(self) -> Path:
        """results/<ablation>/<profile>."""
        return self.store.folder

    def identity(self, config: Config) -> dict[str, object]:
        """What decides a run's result besides its configuration and seed; part of its id."""
        slot = self.slots[0]
        on_cpu = slot.device == "cpu"
        lrn = self.inspector.once(lrn_implementation, slot.device) if has_lrn(config) else None
        return {
            "data_sha256": self.inspector.once(data_sha256, config.data, slot.data_root),
            "device": "cpu" if on_cpu else self.inspector.once(gpu, slot.device),
            # a CUDA device computes the same whatever the host's threads, which follow from --jobs
            "num_threads": slot.num_threads if on_cpu else None,
            "lrn": lrn,
        }


def has_lrn(config: Config) -> bool:
    """Whether the net has a layer of local response normalization that computes something."""
    return config.model.lrn in ("conv1", "conv2", "both")


@dataclass(frozen=True)
class SweepOptions:
    """What ``alexbench run`` and ``alexbench.run`` can be told besides ablation and profile."""

    seeds: int | None = None  # runs of each variant; None: as the ablation says
    settings: Sequence[str] = ()  # key=value texts over every configuration
    device: str = "auto"  # auto, cpu, cuda, cuda:<index>, or several with commas
    data_root: str | None = None  # the folder of the images
    results: str = "results"
    jobs: int | None = None  # runs at a time; None: as the cores or CUDA devices allow
    threads: int | None = None  # CPU threads of each job
    run: RunOptions = field(default_factory=RunOptions)


def sweep_options(**options: Any) -> SweepOptions:
    """SweepOptions from its fields and those of RunOptions in one; raises BadInput."""
    own = {each.name for each in fields(SweepOptions)} - {"run"}
    rest = {name: value for name, value in options.items() if name not in own}
    given = {name: value for name, value in options.items() if name in own}
    return SweepOptions(**given, run=execution(**rest))


def prepare(
    ablation: str | Mapping[str, Any],
    profile: str = "laptop",
    options: SweepOptions = SweepOptions(),
) -> Sweep:
    """Check everything that can be wrong before anything trains; raises BadInput.

    ablation: a path, a shipped name, or what a file would hold.
    """
    seeds, asked = options.seeds, options.run
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        allowed = "1 or more" if seeds < 1 else f"at most {MOST_SEEDS}"
        raise BadInput(f"seeds: {shown(seeds)} is not allowed, it should be {allowed}")
    loaded = load_ablation(ablation, profile, seeds, options.settings)
    check_launcher(options.jobs, asked)
    inspector = Inspector(here="torch" in sys.modules)
    variants = list(loaded.variants.values())

    @functools.cache
    def slots_of(num_devices: int, alone: bool, shared: bool = False) -> list[Slot]:
        grouped = placement.torchrun_is_on()  # it has started the processes of the other devices
        jobs = 1 if alone or grouped else options.jobs
        where = options.device, jobs, options.threads, options.data_root
        if grouped:
            return inspector.ask(find_slots, *where, 1, [])
        return inspector.ask(find_slots, *where, num_devices, variants, shared)

    def slots_for(train: TrainConfig) -> list[Slot]:
        return slots_of(placement.num_devices(train), train.alone, train.exchange == "gloo")

    for variant in variants:
        for slot in slots_for(variant.train)[:1]:
            inspector.once(check_precision, variant.train.precision, slot.device)
    fixed = asked_with.resolved(loaded, options.settings)
    folder = Path(options.results) / loaded.name / asked_with.folder_name(loaded.profile, fixed)
    store = RunStore(folder)
    return Sweep(loaded, slots_of(1, False), store, slots_for, asked, inspector, fixed)


def check_launcher(jobs: int | None, options: RunOptions) -> None:
    """Raises BadInput for a launcher that is not installed, and for options of another one."""
    launcher(options)
    if jobs is not None and options.launcher != "local":
        raise BadInput("--jobs is for --launcher local: a cluster knows what it has room for")
    if (jobs or 1) > 1 and placement.torchrun_is_on():
        raise BadInput(f"--jobs {jobs}: torchrun's processes train one run at a time")
    for option, given, of in (
        ("address", options.address, "ray"),
        ("slurm", options.slurm, "slurm"),
    ):
        if given and options.launcher != of:
            raise BadInput(f"--{option} is for --launcher {of}, and this is {options.launcher}")
    if options.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise BadInput("--tensorboard needs it: pip install 'alexbench[tensorboard]'")
    if options.tracker and not importlib.util.find_spec(options.tracker):
        package = options.tracker
        raise BadInput(f"--tracker {package} needs it: pip install 'alexbench[{package}]'")


def carry_out(sweep: Sweep) -> "Result":
    """Tune, train what is not trained yet, and report; returns the result.

    Raises RunFailed when a run gave no record; all other runs are kept and reported.
    """
    make_writable(sweep.folder)
    asked_with.write(sweep.settings, sweep.folder)
    with launcher(sweep.options)(sweep.store, sweep.options, sweep.slots) as perform:
        for variant in sweep.ablation.variants.values():
            sweep.identity(variant)  # decodes, or says what is wrong, just once
            about = variant.data, variant.evaluate, sweep.slots[0].data_root
            sweep.inspector.once(check_images, *about, bool(sweep.ablation.tune))
        check_own_code(sweep)
        execute = partial(train_all, sweep, perform)
        tuned = tune(sweep.ablation, sweep.identity, sweep.store, execute, warn)
        ablation = with_tuned(sweep.ablation, tuned)
        runs = trainings(ablation, sweep.identity, sweep.store)
        failures = train_missing(sweep, perform, runs)
        while (wider := widened(ablation, sweep.identity, sweep.store)) != ablation:
            ablation, runs = wider, trainings(wider, sweep.identity, sweep.store)
            failures = train_missing(sweep, perform, runs)
    if failures and len(failures) == len(runs):
        raise RunFailed(failures_line(failures, runs))
    with lock(sweep.folder.parent.parent / ".report.lock", wait=True):  # one command at a time
        result = write_report(sweep, ablation)
    if failures:
        raise RunFailed(failures_line(failures, runs))
    return result


def check_own_code(sweep: Sweep) -> None:
    """Raises BadInput for own parts that cannot train."""
    for variant in sweep.ablation.variants.values():
        if own_code(variant):
            sweep.inspector.ask(check_own, variant, sweep.slots[0].data_root)


def write_report(sweep: Sweep, ablation: Ablation) -> "Result":
    """Write the records of averaged predictions, then the tables; returns the result."""
    from alexbench.report import build, result

    store, folder = sweep.store, sweep.folder
    for average in averages(ablation, sweep.identity):
        if not average.is_made(store) and not store.missing(average.members):
            record.write(make(average, store), store.record_path(average.run))
    planned = {run.run_id for run in measured_runs(ablation, sweep.identity)}
    try:
        build.write(ablation, asked_with.label(folder), folder, warn, planned=planned)
    finally:
        build.write_index(folder.parent.parent, tell=warn)
    return result.of_folder(ablation, folder, planned)


def warn(line: str) -> None:
    """Print a warning to stderr."""
    print(f"warning: {one_line(line)}", file=sys.stderr)


def train_all(sweep: Sweep, perform: Perform, runs: Sequence[Run]) -> None:
    """Train the runs that have no record; raises RunFailed unless all have one then."""
    if failures := train_missing(sweep, perform, runs):
        raise RunFailed(failures_line(failures, runs))


def train_missing(sweep: Sweep, perform: Perform, runs: Sequence[Run]) -> list[Failure]:
    """Train the runs that have no record; returns the failures, old and new.

    A run that failed before is tried again only with ``retry_failed``. With ``reuse``, a run that
    another ablation has trained is copied. Neighbours in ``runs`` with equal slots share them.
    Raises RunFailed, in one line, where the sweep ends early.
    """
    sweep.inspector.end()  # frees its memory for the runs
    store = sweep.store
    try:
        if taken := store.copy_known(runs) if sweep.options.reuse else []:
            origins = ", ".join(sorted(set(taken)))
            print(f"{len(taken)} are copied from {origins}, not trained again", file=sys.stderr)
        to_do = store.missing(runs)
        again = sweep.options.retry_failed
        before = {run: None if again else store.read_failure(run) for run in to_do}
        to_try = [run for run, failure in before.items() if failure is None]
        failures = [failure for failure in before.values() if failure is not None]
        with Progress(runs, to_do, len(failures)) as progress:
            for slots, group in groupby(to_try, lambda run: sweep.slots_for(run.config.train)):
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


def launcher(options: RunOptions) -> Launch:
    """The function ``launch`` of a launcher. Raises BadInput where its package is missing."""
    try:
        launch: Launch = importlib.import_module(f"alexbench.launch.{options.launcher}").launch
    except ModuleNotFoundError as error:
        raise BadInput(
            f"--launcher {options.launcher} needs {error.name}: "
            f"pip install 'alexbench[{options.launcher}]'"
        ) from None
    return launch


def failures_line(failures: Sequence[Failure], runs: Sequence[Run]) -> str:
    """One line: how many runs failed, and the first of them."""
    first = failures[0]
    return (
        f"{len(failures)} of {len(runs)} runs failed, the first: {first.variant}, seed "
        f"{first.seed}: {first.reason} (log: {first.log}); the others are kept, "
        "--retry-failed tries again"
    )


def make_writable(folder: Path) -> None:
    """Create the results folder. Raises BadInput where no file can be written there."""
    try:
        with lock(folder / ".writable"):
            pass
    except RunFailed as error:
        why = getattr(error.__cause__, "strerror", error)
        raise BadInput(
            f"{folder}: cannot be written ({why}); choose another folder with --results"
        ) from None
