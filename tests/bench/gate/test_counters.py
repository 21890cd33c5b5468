"""Counts that a gate can hold to the last digit."""

import torch

from alexbench.bench.gate.counters import operator_calls, peak_memory_bytes

CPU = torch.device("cpu")


def sums():
    x = torch.ones(1000)
    return lambda: (x + x) * (x + x)


def test_peak_memory_is_what_is_held_at_one_time_inputs_included():
    # x; both sums; then their product beside them: four tensors of 4000 bytes
    assert peak_memory_bytes(sums, CPU) == 4 * 4000


def test_what_was_needed_to_prepare_a_call_and_is_gone_does_not_count():
    def make():
        x = torch.ones(100_000)[:10].clone()
        return lambda: x + 1

    assert peak_memory_bytes(make, CPU) < 1000


def test_operator_calls_are_counted_with_those_that_they_call():
    assert operator_calls(sums()) == 3
    x = torch.ones(2, 2)
    assert operator_calls(lambda: torch.nn.functional.linear(x, x)) > 1


def test_counts_are_the_same_every_time():
    assert len({operator_calls(sums()) for _ in range(3)}) == 1
    assert len({peak_memory_bytes(sums, CPU) for _ in range(3)}) == 1
