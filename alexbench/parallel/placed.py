"""A whole net to where the configuration puts it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from alexbench.config.schema import TrainConfig
from alexbench.data.share import BatchShare
from alexbench.parallel.collectives import Traffic
from alexbench.parallel.distributed import Column, Hybrid, Replica
from alexbench.parallel.two_devices import TwoDevices


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train one run together: which one this is, and of how many.

    devices: of the columns, where one process has them both.
    """

    rank: int = 0
    size: int = 1
    devices: tuple[torch.device, ...] = ()


ALONE = ProcessGroup()


class Placed(NamedTuple):
    """A net in its place, the images of each batch that it wants, and what it sends."""

    net: nn.Module
    share: BatchShare
    traffic: Traffic


def place(net: nn.Module, train: TrainConfig, team: ProcessGroup) -> Placed:
    """The net, or this process's part of it, where the net is; ``two``: on the team's devices.

    Outputs and gradients are those of the whole net on one device, but for rounding. Every process
    of the team gives a net with the same weights.
    """
    traffic, share = Traffic(train.placement != "one"), BatchShare()
    if train.placement in ("data_parallel", "hybrid"):
        share = BatchShare(team.rank, team.size)
    layers = list(net.named_children())
    placed: nn.Module = net
    if train.placement == "two":
        placed = TwoDevices(layers, team.devices, traffic)
    elif train.placement == "processes":
        placed = Column(layers, team.rank, team.size, traffic)
    elif team.size > 1:
        hybrid = train.placement == "hybrid"
        placed = Hybrid(layers, share, traffic) if hybrid else Replica(net, share, traffic)
    return Placed(placed, share, traffic)
