"""Samples: all of them, in a fair order, and what is said of them."""

import torch

from alexbench.bench.timing import Spread, clocks, interleave, measure, spread
from benchmarks.clock import Clock

CPU = torch.device("cpu")


def test_a_spread_is_the_median_and_the_distance_of_the_quartiles():
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(median=3.0, iqr=2.0)
    assert spread([7.0]) == Spread(7.0, 0.0)


def test_every_round_is_a_sample_and_no_warm_up_is():
    calls = []
    samples = measure(lambda: calls.append(1), CPU, rounds=4, warmup_rounds=3)
    assert (len(samples), len(calls)) == (4, 7)
    assert all(sample > 0 for sample in samples)


def test_interleaved_calls_alternate_and_every_other_round_runs_backwards():
    order = []
    names = {name: lambda name=name: order.append(name) for name in "abc"}
    samples = interleave(names, CPU, rounds=3, warmup_rounds=1)
    assert "".join(order) == "abc" + "abc" + "cba" + "abc"
    assert {name: len(own) for name, own in samples.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_clock_advances_by_one_measured_sample_at_a_time():
    clock, seen = Clock(), []
    clock.load([0.5, 0.25])
    for _ in range(2):
        clock.rewind()
        before = clock()
        clock.advance()
        seen.append(clock() - before)
    assert seen == [0.5, 0.25]


def test_a_cpu_has_no_clock_to_read():
    assert clocks(CPU) == "-"
