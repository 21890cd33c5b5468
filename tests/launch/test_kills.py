"""A sweep that is killed again and again ends with the records of one that never was."""

import multiprocessing
import random
import signal
import time
from typing import Any

from alexbench.launch.task import attempt
from alexbench.sweep import Sweep
from alexbench.unfinished import missing, tidy
from tests.sweeps import ABLATION, evidence, prepare, runs_of

# eight runs of 18 batches each (three epochs of four batches and two evaluations)
TEXT = ABLATION.replace("train.epochs: 1", "train.epochs: 3").replace("_size: 26", "_size: 13")
OPTIONS = {"seeds": 4, "checkpoint_seconds": 0.0}  # a checkpoint after each batch


def perform_all(prepared: Sweep, beats: Any = None) -> None:
    """What a worker does, run after run, in this process; counts batches in ``beats``."""

    def beat() -> bool:
        if beats is not None:
            beats.value += 1
        return False

    for run in runs_of(prepared):
        where = prepared.places[0], prepared.folder, prepared.how
        attempt(run, *where, send=lambda event: None, asked_to_stop=beat)


def kill_and_restart(prepared: Sweep, kills: int, chance: random.Random) -> None:
    """Two processes at a time over one folder, each killed at a moment of its own."""
    context = multiprocessing.get_context("forkserver")  # imports torch once
    context.set_forkserver_preload([__name__])
    for _ in range(kills // 2):
        beats = [context.Value("i", 0) for _ in range(2)]
        pair = [context.Process(target=perform_all, args=(prepared, beat)) for beat in beats]
        for process in pair:
            process.start()
        for process, beat in zip(pair, beats, strict=True):
            at = chance.randint(1, 15)
            while process.is_alive() and beat.value < at:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL


def test_eight_kills_at_random_moments_change_no_record_and_leave_no_file(tmp_path):
    undisturbed = prepare(tmp_path, TEXT, results=str(tmp_path / "undisturbed"), **OPTIONS)
    disturbed = prepare(tmp_path, TEXT, **OPTIONS)
    perform_all(undisturbed)
    kill_and_restart(disturbed, 8, random.Random(0))
    assert missing(runs_of(disturbed), disturbed.folder)
    assert list((disturbed.folder / "unfinished").glob("*.checkpoint"))
    perform_all(disturbed)
    tidy(runs_of(disturbed), disturbed.folder)
    assert evidence(disturbed.folder) == evidence(undisturbed.folder)
    assert len(evidence(disturbed.folder)) == 8 + 2  # records, and pictures of both variants
