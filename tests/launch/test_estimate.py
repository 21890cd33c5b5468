"""What a sweep would cost, told before it starts."""

import pandas as pd
import pytest

from alexbench.launch import estimate
from tests.sweeps import ABLATION, prepare, runs_of


def test_a_variant_that_no_time_is_left_to_probe_needs_the_memory_that_a_probe_finds(tmp_path):
    prepared = prepare(tmp_path)
    probed = estimate.estimate(prepared, prepared.ablation, [], probe_seconds=3600.0)
    told = estimate.estimate(prepared, prepared.ablation, [], probe_seconds=0.0)
    assert {name: cost.memory_bytes for name, cost in told.items()} == {
        name: cost.memory_bytes for name, cost in probed.items()
    }
    assert told["wide"].memory_bytes > told["narrow"].memory_bytes > 0


SLOW_AT_FIRST = """
import time

import torch

calls = []


def start_and_relu(x):
    calls.append(x)
    if len(calls) == 1:
        time.sleep(3.0)
    return torch.relu(x)
"""


def test_what_starts_with_the_first_probe_takes_no_time_from_the_others(tmp_path):
    (tmp_path / "parts.py").write_text(SLOW_AT_FIRST)
    text = ABLATION.replace("config:", "config:\n  model.activation: ./parts.py:start_and_relu")
    prepared = prepare(tmp_path, text)
    told = estimate.estimate(prepared, prepared.ablation, [], probe_seconds=2.5)
    narrow, wide = told["narrow"], told["wide"]
    assert wide.seconds != pytest.approx(narrow.seconds * wide.flops / narrow.flops)  # was probed


def test_an_image_that_is_only_evaluated_costs_a_third_of_one_that_is_trained_on(tmp_path):
    prepared = prepare(tmp_path, ABLATION.replace("train.epochs: 1", "train.epochs: 3"))
    images = estimate.images_of(prepared.ablation.variants["narrow"], prepared)
    # three epochs of 52 images, each with 26 test and 26 training images evaluated: 3 * 52 + 52
    assert images == pytest.approx(208)


def test_runs_that_are_timed_alone_take_the_whole_machine(tmp_path):
    text = ABLATION.replace("wide: {", "wide: {train.alone: true, ")
    prepared = prepare(tmp_path, text, jobs=2, threads=1)
    found = {run: None for run in runs_of(prepared)}
    table = estimate.rows(prepared, prepared.ablation, found)
    assert table["jobs"].tolist() == [2, 1, 2, 1]  # narrow, wide
    hour = pd.DataFrame({"state": ["to do", "to do", "done"], "seconds": 3600.0, "jobs": [1, 2, 2]})
    # an hour alone, and half of one that shares the machine; two more to tune at 40 minutes each
    assert "about 2.8 h with 1 or 2 job(s)" in estimate.total(hour, 2, prepared)
