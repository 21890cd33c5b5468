"""Nets that several processes train together, over torch.distributed; each holds a part."""

from collections import OrderedDict
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import GradBucket  # type: ignore[attr-defined]
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from alexbench.data.share import BatchShare
from alexbench.models.layers import Dropout
from alexbench.parallel.collectives import Traffic, gather_rows, gather_units
from alexbench.parallel.partition import Named, PartDropout, segments


class Column(nn.Module):
    """This process's column of the paper's net; together they map whole batches to whole logits.

    Every process sees all images, as both of the paper's GPUs did, and repeats the loss.
    """

    def __init__(self, layers: Named, rank: int, size: int, traffic: Traffic) -> None:
        super().__init__()
        self.traffic, self.num_classes = traffic, num_classes(layers)
        self.segments = segments(layers, rank, size)

    def forward(self, x: Tensor) -> Tensor:
        for segment in self.segments[:-1]:
            x = gather_units(segment(x), self.traffic)
        logits = self.segments[-1](x)
        return gather_units(logits, self.traffic, self.num_classes, own_loss=False)


class Replica(nn.Module):
    """The whole net on this process's images; gradients add up over the processes."""

    def __init__(self, net: nn.Module, share: BatchShare, traffic: Traffic) -> None:
        super().__init__()
        for name, layer in net.named_children():
            if isinstance(layer, Dropout):
                setattr(net, name, PartDropout(layer.p, share=share))
        self.net = summing(net, traffic)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return]


class Hybrid(nn.Module):
    """Convolutions on this process's images, and its part of the FC layers on everybody's.

    Scheme (c) of "One weird trick for parallelizing convolutional neural networks" (Krizhevsky,
    2014): in as many passes as there are processes, each sends as many of its images' features to
    all others. In scheme (b) a pass holds the images of one process, which alone sends: all
    links but its own are idle. Both need the memory of one process's images in the FC layers, where
    scheme (a) needs that of all. The weights are updated once a batch, as on one device.
    """

    def __init__(self, layers: Named, share: BatchShare, traffic: Traffic) -> None:
        super().__init__()
        cut = 1 + [name for name, _ in layers].index("flatten")
        self.share, self.traffic, self.num_classes = share, traffic, num_classes(layers)
        self.features = summing(nn.Sequential(OrderedDict(layers[:cut])), traffic)
        self.segments = segments(layers[cut:], share.rank, share.size, share)

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        places = torch.arange(len(features))
        passes = zip(
            features.tensor_split(self.share.size),
            places.tensor_split(self.share.size),
            strict=True,
        )
        return torch.cat([self.fc(mine, where) for mine, where in passes if len(mine)])

    def fc(self, mine: Tensor, places: Tensor) -> Tensor:
        """Logits of this process's images of one pass; places: (n,) of them in its share."""
        share = self.share
        if self.training:
            part = share.part(share.whole)
            starts = torch.arange(share.size)[:, None] * part
            share.in_layer = (starts + places).flatten().clamp_max(share.whole - 1)
        x = gather_rows(mine, self.traffic)
        for segment in self.segments[:-1]:
            x = gather_units(segment(x), self.traffic)
        logits = gather_units(self.segments[-1](x), self.traffic, self.num_classes)
        return logits.unflatten(0, (share.size, -1))[share.rank]  # type: ignore[no-any-return]


def num_classes(layers: Named) -> int:
    """The number of logits of a net."""
    output = layers[-1][1]
    assert isinstance(output, nn.Linear)
    return output.out_features


def summing(net: nn.Module, traffic: Traffic) -> DistributedDataParallel:
    """The net with gradients that are the sums over the processes: their losses add up."""

    def add_up(traffic: Traffic, bucket: GradBucket) -> Future[Tensor]:
        size, content = dist.get_world_size(), bucket.buffer()
        traffic.sent_bytes += 2 * content.nbytes * (size - 1) // size  # a ring, as gloo and NCCL do
        work: Any = dist.all_reduce(content, async_op=True)
        summed: Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
        return summed

    replica = DistributedDataParallel(net)
    replica.register_comm_hook(traffic, add_up)
    return replica
