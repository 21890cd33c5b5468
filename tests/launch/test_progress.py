"""What a sweep says of itself while it runs."""

import time
from pathlib import Path

import pytest

from alexbench.config.load import load_ablation
from alexbench.launch.events import FinishedEvent, ProgressEvent, failed
from alexbench.launch.progress import Progress, duration
from alexbench.runs.run import measured_runs
from alexbench.runs.store import RunStore


def test_the_rest_takes_as_long_as_the_share_done_so_far_says():
    runs = measured_runs(load_ablation("pooling", seeds=2), lambda _: {})
    progress = Progress(runs, runs)
    assert progress.seconds_left() is None
    progress.began = time.monotonic() - 10_000
    half = runs[0].config.train.epochs / 2
    progress.notify(
        runs[0], ProgressEvent(half, images_per_second=10.0)
    )  # half of one of four runs in 10,000 seconds
    assert progress.seconds_left() == pytest.approx(70_000, rel=0.01)


def test_outside_a_terminal_each_run_is_one_line(capsys):
    runs = measured_runs(load_ablation("pooling", seeds=2), lambda _: {})
    row = {"test_error": 12.34, "epoch": 8, "images_per_second": 1234.5}
    with Progress(runs, runs[1:]) as progress:
        progress.notify(runs[1], FinishedEvent("finished", row))
        progress.notify(runs[3], failed(runs[3], RunStore(Path()), "a full disk", fatal=True))
        progress.notify(runs[2], failed(runs[2], RunStore(Path()), "no luck\x1b]0;x\x07"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 4 runs are already done"
    assert lines[1].startswith("runs 2/4  overlapping seed 0  test_error 12.3  epoch 8  1234 imag")
    assert lines[2].startswith(
        "runs 3/4  non_overlapping seed 1  failed: no luck\\x1b]0;x\\x07 (log: logs/non_overlapp"
    )


def test_durations_are_readable():
    assert [duration(s) for s in (None, 5, 600, 7200)] == ["?", "5 s", "10 min", "2.0 h"]
