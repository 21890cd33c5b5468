"""A net on the devices and processes that the configuration names."""

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


class Distributed(NamedTuple):
    """A net on its devices, this process's part of each batch, and the bytes that it sends."""

    net: nn.Module
    share: BatchShare
    traffic: Traffic


def distribute(net: nn.Module, train: TrainConfig, group: ProcessGroup) -> Distributed:
    """The net, or this process's part of it, as ``train.placement`` says.

    Outputs and gradients are those of the whole net on one device, but for rounding. Every process
    of the group gives a net with the same weights. With ``two`` the columns go to the group's
    devices; else the part stays on the net's device.
    """
    traffic, share = Traffic(train.placement != "one"), BatchShare()
    if train.placement in ("data_parallel", "hybrid"):
        share = BatchShare(group.rank, group.size)
    layers = list(net.named_children())
    ours: nn.Module = net
    if train.placement == "two":
        ours = TwoDevices(layers, group.devices, traffic)
    elif train.placement == "processes":
        ours = Column(layers, group.rank, group.size, traffic)
    elif group.size > 1:
        hybrid = train.placement == "hybrid"
        ours = Hybrid(layers, share, traffic) if hybrid else Replica(net, share, traffic)
    return Distributed(ours, share, traffic)
