"""A sweep that is killed again and again ends with the records of one that never was."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from alexbench.config.execution import RunOptions, Slot
from alexbench.launch.sweep import Sweep
from alexbench.launch.task import attempt
from alexbench.runs.run import Run
from alexbench.runs.store import RunStore
from tests.sweeps import ABLATION, evidence, prepare, runs_of

# eight runs of three epochs, each of four batches and two of evaluations
BATCHES = 3 * (4 + 1 + 1)
TEXT = ABLATION.replace("train.epochs: 1", "train.epochs: 3").replace("_size: 26", "_size: 13")
OPTIONS = {"seeds": 4, "checkpoint_seconds": 0.0}  # a checkpoint after each batch


def work(
    runs: list[Run],
    slot: Slot,
    store: RunStore,
    options: RunOptions,
    beats: Any = None,
    kill: tuple[int, float] | None = None,
) -> None:
    """What a worker does, run after run, in this process; counts batches in ``beats``.

    kill: the process kills itself so many seconds after so many batches; at once for 0 seconds. A
    parent that watches it may come too late on a busy machine.
    """
    done = 0

    def beat() -> bool:
        nonlocal done
        done += 1
        if beats is not None:
            beats.value += 1
        if kill and done == kill[0]:
            if not kill[1]:
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(kill[1], os.kill, (os.getpid(), signal.SIGKILL)).start()
        return False

    torch.set_num_threads(slot.num_threads)
    for run in runs:
        attempt(run, slot, store, options, send=lambda event: None, asked_to_stop=beat)


def perform_all(prepared: Sweep) -> None:
    work(runs_of(prepared), prepared.slots[0], prepared.store, prepared.options)


def kill_and_restart(prepared: Sweep, moments: list[tuple[int, float]]) -> None:
    """Two processes at a time over one folder, each killed at a moment of its own."""
    context = multiprocessing.get_context("forkserver")  # imports torch once
    context.set_forkserver_preload([__name__])
    for two in zip(moments[::2], moments[1::2], strict=True):
        where = runs_of(prepared), prepared.slots[0], prepared.store, prepared.options
        pair = [context.Process(target=work, args=(*where, None, at)) for at in two]
        for process in pair:
            process.start()
        for process in pair:
            process.join(300)
            assert process.exitcode == -signal.SIGKILL


def test_four_processes_at_once_train_each_run_exactly_once(tmp_path):
    prepared = prepare(tmp_path, TEXT, **OPTIONS)
    where = runs_of(prepared), prepared.slots[0], prepared.store, prepared.options
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    beats = [context.Value("i", 0) for _ in range(4)]
    four = [context.Process(target=work, args=(*where, beat)) for beat in beats]
    for process in four:
        process.start()
    for process in four:
        process.join(300)
        assert process.exitcode == 0
    assert sum(beat.value for beat in beats) == 8 * BATCHES
    assert prepared.store.missing(runs_of(prepared)) == []
    assert not (prepared.folder / "unfinished").exists() or not any(
        (prepared.folder / "unfinished").iterdir()
    )


def test_eight_kills_at_random_moments_change_no_record_and_leave_no_file(tmp_path):
    undisturbed = prepare(tmp_path, TEXT, results=str(tmp_path / "undisturbed"), **OPTIONS)
    disturbed = prepare(tmp_path, TEXT, **OPTIONS)
    perform_all(undisturbed)
    chance = random.Random(0)
    kill_and_restart(disturbed, [(10, 0.0), (5, 0.0)])  # within a run of 18 batches
    assert len(disturbed.store.missing(runs_of(disturbed))) == 8
    assert list((disturbed.folder / "unfinished").glob("*.checkpoint"))
    moments = [(chance.randint(1, 15), chance.uniform(0, 0.02)) for _ in range(6)]
    kill_and_restart(disturbed, moments)
    assert disturbed.store.missing(runs_of(disturbed))
    perform_all(disturbed)
    disturbed.store.tidy(runs_of(disturbed))
    assert evidence(disturbed.folder) == evidence(undisturbed.folder)
    assert len(evidence(disturbed.folder)) == 8 + 2  # records, and pictures of both variants


def command(prepared: Sweep, *options: str) -> list[str]:
    """The sweep as it is given on the command line."""
    asked = ["run", prepared.ablation.file, "--seeds", "4", "--checkpoint-seconds", "0", *options]
    results = ["--results", str(prepared.folder.parent.parent)]
    return [sys.executable, "-m", "alexbench", *asked, *results]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def progress(folder: Path) -> set[tuple[str, int]]:
    """Checkpoints and records, each with the time that it was written."""
    found = set()
    for path in [*folder.glob("unfinished/*.checkpoint"), *folder.glob("runs/*.json")]:
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


@pytest.mark.slow
def test_fifty_kills_of_the_command_change_no_record_and_leave_no_file(tmp_path):
    text = TEXT.replace("train.epochs: 3", "train.epochs: 40")
    undisturbed = prepare(tmp_path, text, results=str(tmp_path / "undisturbed"), **OPTIONS)
    disturbed = prepare(tmp_path, text, **OPTIONS)
    perform_all(undisturbed)
    chance = random.Random(0)
    for _ in range(50):
        seen = progress(disturbed.folder)
        process = subprocess.Popen(command(disturbed, "--retry-failed"), stderr=subprocess.DEVNULL)
        while chance.random() > 0.002 and progress(disturbed.folder) == seen:
            time.sleep(0.02)  # a kill in the first seconds now and then, the others at work
        time.sleep(chance.uniform(0, 0.5))
        assert process.poll() is None
        workers = children(process.pid)
        for pid in chance.choice([workers, [process.pid], [process.pid, *workers]]):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        process.kill()
        process.wait()
    assert disturbed.store.missing(runs_of(disturbed))
    done = subprocess.run(command(disturbed, "--retry-failed"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert evidence(disturbed.folder) == evidence(undisturbed.folder)
    assert not list(tmp_path.rglob("*.lock"))
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
def test_four_commands_at_once_train_each_run_exactly_once(tmp_path):
    prepared = prepare(tmp_path, TEXT, **OPTIONS)
    four = [
        subprocess.Popen(
            command(prepared), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [process.communicate() for process in four]
    assert [process.returncode for process in four] == [0] * 4, said
    assert len({out.partition("Tables")[0] for out, _ in said}) == 1  # one table, four times
    assert prepared.store.missing(runs_of(prepared)) == []
    assert not (prepared.folder / "unfinished").exists()
    assert not list(tmp_path.rglob("*.lock"))
