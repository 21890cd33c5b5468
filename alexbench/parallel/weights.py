"""The weights of a placed net as those of the whole net, and back: what a checkpoint holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alexbench.parallel.columns import rows
from alexbench.parallel.processes import Column, Hybrid
from alexbench.parallel.two import TwoDevices

# what is wanted of a weight: itself, or what an optimizer keeps of its shape
Of = Callable[[nn.Parameter], Tensor]


class Part(NamedTuple):
    """A weight of this process, and which of how many runs of the whole weight's rows it is."""

    name: str  # in the whole net
    parameter: nn.Parameter
    place: int
    places: int


def parts(net: nn.Module) -> Iterator[Part]:
    """Every weight of this process; the parts of one weight in their order."""
    for path, parameter in net.named_parameters():
        names = path.split(".")
        place, places = 0, 1
        if isinstance(net, TwoDevices):
            place, places = int(names[1]), len(net.columns)
        elif isinstance(net, Column) or (isinstance(net, Hybrid) and names[0] == "segments"):
            place, places = dist.get_rank(), dist.get_world_size()
        yield Part(".".join(names[-2:]), parameter, place, places)


@torch.no_grad()
def gather(net: nn.Module, of: Of = lambda weight: weight) -> dict[str, Tensor]:
    """By the names of the whole net, on the CPU where they had to be put together.

    Every process that holds a part must ask.
    """
    wholes: dict[str, list[Tensor]] = {}
    for part in parts(net):
        wholes.setdefault(part.name, []).append(of(part.parameter))
        if part.places > 1 and not isinstance(net, TwoDevices):
            others: list[Tensor] = [torch.empty(0)] * part.places
            dist.all_gather_object(others, of(part.parameter).cpu())
            wholes[part.name] = others
    return {
        name: found[0] if len(found) == 1 else torch.cat([part.cpu() for part in found])
        for name, found in wholes.items()
    }


@torch.no_grad()
def scatter(net: nn.Module, wholes: Mapping[str, Tensor], of: Of = lambda weight: weight) -> None:
    """Put each process's rows of the whole tensors in their place."""
    for part in parts(net):
        of(part.parameter).copy_(rows(wholes[part.name], part.place, part.places))
