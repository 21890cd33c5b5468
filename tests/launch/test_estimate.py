"""What a sweep would cost, told before it starts."""

import pandas as pd

from alexbench.launch import estimate
from tests.sweeps import ABLATION, prepare, runs_of


def test_a_variant_that_no_time_is_left_to_probe_needs_the_memory_that_a_probe_finds(
    tmp_path, monkeypatch
):
    prepared = prepare(tmp_path)
    monkeypatch.setattr(estimate, "PROBE_SECONDS", 3600.0)
    probed = estimate.estimate(prepared, prepared.ablation, [])
    monkeypatch.setattr(estimate, "PROBE_SECONDS", 0.0)
    told = estimate.estimate(prepared, prepared.ablation, [])
    assert {name: cost.memory_bytes for name, cost in told.items()} == {
        name: cost.memory_bytes for name, cost in probed.items()
    }
    assert told["wide"].memory_bytes > told["narrow"].memory_bytes > 0


def test_runs_that_are_timed_alone_take_the_whole_machine(tmp_path):
    text = ABLATION.replace("wide: {", "wide: {train.alone: true, ")
    prepared = prepare(tmp_path, text, jobs=2, threads=1)
    found = {run: None for run in runs_of(prepared)}
    table = estimate.rows(prepared, prepared.ablation, found)
    assert table["jobs"].tolist() == [2, 1, 2, 1]  # narrow, wide
    hour = pd.DataFrame({"state": ["to do", "to do", "done"], "seconds": 3600.0, "jobs": [1, 2, 2]})
    # an hour alone, and half of one that shares the machine; two more to tune at 40 minutes each
    assert "about 2.8 h with 1 or 2 job(s)" in estimate.total(hour, 2, prepared)
