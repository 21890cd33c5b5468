"""The weights of a distributed net as those of the whole net, and back: for checkpoints."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alexbench.models.own import OwnNet
from alexbench.parallel.distributed import Column, Hybrid
from alexbench.parallel.group import all_parts, in_all
from alexbench.parallel.partition import rows
from alexbench.parallel.two_devices import TwoDevices
from alexbench.training.optimizer import Optimizer, PaperSGD

# from a weight to the tensor of its shape that is gathered: the weight, or a slot of the optimizer
Of = Callable[[nn.Parameter], Tensor]


class Part(NamedTuple):
    """A weight of this process: slice ``rank`` of ``size`` of the whole weight's rows."""

    name: str  # in the whole net
    parameter: nn.Parameter
    rank: int
    size: int


def parts(net: nn.Module) -> Iterator[Part]:
    """Every weight of this process; the parts of one weight in their order."""
    for path, parameter in net.named_parameters():
        names = path.split(".")
        rank, size = 0, 1
        if isinstance(net, TwoDevices):
            rank, size = int(names[1]), len(net.columns)
        elif isinstance(net, Column) or (isinstance(net, Hybrid) and names[0] == "segments"):
            rank, size = dist.get_rank(), dist.get_world_size()
        name = path if isinstance(net, OwnNet) else ".".join(names[-2:])
        yield Part(name, parameter, rank, size)


@torch.no_grad()
def gather(net: nn.Module, of: Of = lambda weight: weight) -> dict[str, Tensor]:
    """Full tensors by the undivided net's names; on the CPU where they have several parts.

    Collective: every process calls it.
    """
    wholes: dict[str, list[Tensor]] = {}
    for part in parts(net):
        own = of(part.parameter).detach()
        wholes.setdefault(part.name, []).append(own)
        if part.size > 1 and own.dim() and not isinstance(net, TwoDevices):
            wholes[part.name] = all_parts(own)
    return {
        name: torch.cat([part.cpu() for part in found])
        if len(found) > 1 and found[0].dim()  # Adam's count of steps has no parts
        else found[0]
        for name, found in wholes.items()
    }


@torch.no_grad()
def finite(net: nn.Module) -> bool:
    """Whether every weight of the net, in all of its processes, is a finite number. Collective."""
    return in_all(all(bool(weight.isfinite().all()) for weight in net.parameters()))


@torch.no_grad()
def scatter(net: nn.Module, wholes: Mapping[str, Tensor], of: Of = lambda weight: weight) -> None:
    """Copy this process's rows of the full tensors into its weights."""
    for part in parts(net):
        of(part.parameter).copy_(rows(wholes[part.name], part.rank, part.size))


# the optimizer's tensors: slot, then weight -> tensor; of one's own the state that it gives
Slots = dict[str, Any]


def is_own(optimizer: Optimizer) -> TypeGuard[torch.optim.Optimizer]:
    """Whether an optimizer is one's own, which may keep more than the same tensors a weight."""
    return type(optimizer) not in (PaperSGD, torch.optim.Adam)


def gather_slots(net: nn.Module, optimizer: Optimizer) -> Slots:
    """The optimizer's tensors of each weight, by the undivided net's names. Collective."""
    if is_own(optimizer):
        return optimizer.state_dict()
    slots = next((list(kept) for kept in optimizer.state.values()), [])
    return {
        slot: gather(net, lambda weight, slot=slot: optimizer.state[weight][slot])  # type: ignore[misc]
        for slot in slots
    }


@torch.no_grad()
def scatter_slots(net: nn.Module, optimizer: Optimizer, slots: Slots) -> None:
    """Put the tensors that ``gather_slots`` returned back into the optimizer."""
    if is_own(optimizer):
        optimizer.load_state_dict(slots)
        return
    for part in parts(net):
        for slot, wholes in slots.items():
            whole = wholes[part.name]
            optimizer.state[part.parameter][slot] = (
                torch.empty_like(part.parameter).copy_(rows(whole, part.rank, part.size))
                if whole.dim()
                else whole
            )
