"""Random streams: paired between variants, independent of each other."""

import torch

from alexbench.training.random_streams import spawn

CPU = torch.device("cpu")


def test_equal_seeds_give_equal_streams_and_other_seeds_others():
    first, second, other = spawn(3, CPU), spawn(3, CPU), spawn(4, CPU)
    assert first.weights == second.weights != other.weights
    for name in ("order", "augmentation", "dropout"):
        draws = [torch.rand(5, generator=getattr(s, name)).tolist() for s in (first, second, other)]
        assert draws[0] == draws[1] != draws[2]


def test_what_one_stream_draws_does_not_move_another():
    quiet, busy = spawn(0, CPU), spawn(0, CPU)
    torch.rand(100, generator=busy.dropout)
    assert torch.equal(
        torch.rand(5, generator=quiet.augmentation), torch.rand(5, generator=busy.augmentation)
    )


def test_the_four_streams_differ():
    streams = spawn(0, CPU)
    generators = (streams.order, streams.augmentation, streams.dropout)
    seeds = {streams.weights, *(generator.initial_seed() for generator in generators)}
    assert len(seeds) == 4
