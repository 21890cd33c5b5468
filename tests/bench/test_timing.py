"""Samples: all of them, in a fair order, and what is said of them."""

import pytest
import torch

from alexbench.bench.timing import (
    Spread,
    clocks,
    interleave,
    measure,
    noise,
    rounds_of,
    spread,
    stall_cycles,
    until_quiet,
)
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


def test_noise_is_the_standard_error_of_the_median():
    # quartiles 9 and 11 of normal draws: sd 2 / 1.349; the median of four errs by 1.2533 sd / 2
    samples = [9.0, 9.0, 11.0, 11.0]
    assert noise(samples) == pytest.approx(1.2533 * 2 / 1.349 / 2 / 10)


def test_samples_are_taken_until_they_are_quiet_or_the_time_is_over():
    loud, quiet = [1.0, 2.0, 3.0], [2.0] * 1000
    batches = iter([loud, quiet, loud])
    assert len(until_quiet(lambda: next(batches))) == 1003
    assert until_quiet(lambda: list(loud), limit=0.0) == loud


def test_rounds_go_on_until_every_call_is_quiet_or_the_time_is_over():
    loud = iter([1.0, 2.0, 3.0] + [2.0] * 1000)
    calls = {"quiet": lambda: 1.0, "loud": lambda: next(loud)}
    samples = rounds_of(calls, rounds=3, limit=3600.0)
    assert samples == {"quiet": [1.0] * 25, "loud": [1.0, 2.0, 3.0] + [2.0] * 22}
    loud = iter([1.0, 3.0] * 20 + [2.0] * 1000)
    # the quartiles of 20 times 1, 20 times 3 and n times 2 are 2 from n = 41 on
    assert len(rounds_of(calls, rounds=3, limit=3600.0)["quiet"]) == 81
    loud = iter([1.0, 2.0, 3.0])
    assert rounds_of(calls, rounds=3) == {"quiet": [1.0] * 3, "loud": [1.0, 2.0, 3.0]}


def test_a_gpu_is_held_up_for_twice_the_time_that_the_host_needs():
    assert stall_cycles(100e-6) == 400_000  # at the highest clock, 2 GHz: 200 us
