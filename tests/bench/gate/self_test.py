"""The gate tried on itself: equal code must never fail, 1.3 times the work or a sleep must."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from alexbench.bench.gate.gate import CASES, compare
from alexbench.config.paths import PACKAGE
from alexbench.errors import RunFailed
from alexbench.launch.slots import devices

SLEEPY = """
awake = train_step

def train_step(*arguments):
    time.sleep(0.005)
    return awake(*arguments)
"""
SLOWDOWN = 1.3  # the head makes 13 calls where the base makes 10


def self_test(
    slow_runs: int = 10,
    equal_runs: int = 20,
    cases: Sequence[str] = CASES[:1],
    rounds: int = 40,
    busy: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Run the gate on this tree against itself, slowed down and not; a row a case, clock and kind.

    busy: so many processes that only burn time run beside it. As specified, the ``slow`` rows
    must be ``fail`` in every run by the work, the ``equal`` ones in none by either clock.
    """
    tree = PACKAGE.parent
    (device, *_) = devices(device)
    rows = []
    with burners(busy):
        for kind, runs, slowdown in (("slow", slow_runs, SLOWDOWN), ("equal", equal_runs, 1.0)):
            for run in range(runs):
                report = compare(tree, tree, device, rounds, cases, slowdown, seed=run)
                rows.append(report.timings.assign(kind=kind))
    return tally(pd.concat(rows))


def sleepy_test(
    runs: int = 10, rounds: int = 12, busy: int = 0, case: str = "step_cifar4"
) -> pd.DataFrame:
    """Run the gate on a head whose training step sleeps 5 ms, which costs no CPU time."""
    tree = PACKAGE.parent
    with burners(busy), sleepy_tree() as sleepy:
        tables = [
            compare(tree, sleepy, "cpu", rounds, [case], seed=run).timings.assign(kind="sleepy")
            for run in range(runs)
        ]
    return tally(pd.concat(tables))


@contextmanager
def sleepy_tree() -> Iterator[Path]:
    """A copy of this package whose training step sleeps 5 ms."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "alexbench")
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        with (copy / "training" / "train.py").open("a") as file:
            file.write(SLEEPY)
        yield Path(folder)


def raise_for_errors(table: pd.DataFrame) -> None:
    """Raises RunFailed where the gate passed a slowed head, or failed an equal one."""
    slow, equal = (table[table["kind"] == kind] for kind in ("slow", "equal"))
    work = slow[slow["clock"] == "work"]  # beside other programs the wall time may not tell
    missed = int(work[["pass", "inconclusive"]].to_numpy().sum())
    false_alarms = int(equal["fail"].sum())
    if missed or false_alarms:
        raise RunFailed(
            f"gate self-test: {missed} slowed head(s) did not fail, {false_alarms} equal one(s) did"
        )


def tally(timings: pd.DataFrame) -> pd.DataFrame:
    """How often each verdict was given, by each clock."""
    counted = timings.groupby(["kind", "case", "clock"], sort=False)["verdict"].value_counts()
    words = ["pass", "fail", "inconclusive"]
    table = counted.unstack(fill_value=0).reindex(columns=words, fill_value=0)
    return table.rename_axis(columns=None).reset_index()


@contextmanager
def burners(count: int) -> Iterator[None]:
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
