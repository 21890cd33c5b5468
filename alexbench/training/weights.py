"""The weights of a placed net as those of the whole net, and back: what a checkpoint holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alexbench.parallel.distributed import Column, Hybrid
from alexbench.parallel.partition import rows
from alexbench.parallel.two_devices import TwoDevices
from alexbench.training.optimizer import Optimizer

# what is wanted of a weight: itself, or something of its shape
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
        own = of(part.parameter).detach()
        wholes.setdefault(part.name, []).append(own)
        if part.places > 1 and own.dim() and not isinstance(net, TwoDevices):
            wholes[part.name] = [torch.empty(0)] * part.places
            dist.all_gather_object(wholes[part.name], own.cpu())
    return {
        name: torch.cat([part.cpu() for part in found])
        if len(found) > 1 and found[0].dim()  # Adam's count of steps has no parts
        else found[0]
        for name, found in wholes.items()
    }


@torch.no_grad()
def scatter(net: nn.Module, wholes: Mapping[str, Tensor], of: Of = lambda weight: weight) -> None:
    """Put each process's rows of the whole tensors in their place."""
    for part in parts(net):
        of(part.parameter).copy_(rows(wholes[part.name], part.place, part.places))


Slots = dict[str, dict[str, Tensor]]  # what an optimizer keeps, by its name and the weight's


def gather_slots(net: nn.Module, optimizer: Optimizer) -> Slots:
    """What the optimizer keeps of each weight, by the names of the whole net."""
    slots = next((list(kept) for kept in optimizer.state.values()), [])
    return {
        slot: gather(net, lambda weight, slot=slot: optimizer.state[weight][slot])  # type: ignore[misc]
        for slot in slots
    }


@torch.no_grad()
def scatter_slots(net: nn.Module, optimizer: Optimizer, slots: Slots) -> None:
    """Give the optimizer what ``gather_slots`` found."""
    for part in parts(net):
        for slot, wholes in slots.items():
            whole = wholes[part.name]
            optimizer.state[part.parameter][slot] = (
                torch.empty_like(part.parameter).copy_(rows(whole, part.place, part.places))
                if whole.dim()
                else whole
            )
