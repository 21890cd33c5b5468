"""The two columns in one process, a device each, with the kernels of both in flight at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from alexbench.models import set_dropout_stream
from alexbench.models.layers import Dropout
from alexbench.parallel.collectives import Traffic
from alexbench.parallel.partition import Named, segments


class TwoDevices(nn.Module):
    """A net whose first column is on the first device and whose second is on the other.

    Images on the first device give logits there. The columns meet before conv3 and the FC layers
    (those that the net links), where each device copies what the other has.
    """

    def __init__(self, layers: Named, devices: Sequence[torch.device], traffic: Traffic) -> None:
        super().__init__()
        self.devices, self.traffic = list(devices), traffic
        self.columns = nn.ModuleList(
            segments(layers, index, len(devices)).to(device) for index, device in enumerate(devices)
        )
        self.generators = [torch.Generator(device) for device in self.devices[1:]]
        # the host queues kernels on CUDA and goes on; on the CPU a thread a column must wait
        on_cpu = all(device.type == "cpu" for device in devices)
        self.threads = ThreadPoolExecutor(len(devices)) if on_cpu else None

    def forward(self, images: Tensor) -> Tensor:
        self.draw_alike()
        units = [images.to(device, non_blocking=True) for device in self.devices]
        for number, segment in enumerate(zip(*self.columns, strict=True)):
            if number:
                units = [self.together(units, index) for index in range(len(units))]
            units = self.in_flight(segment, units)
        return self.together(units, 0)

    def draw_alike(self) -> None:
        """Let the dropout layers of the other columns draw what those of the first will draw."""
        layers = (layer for layer in self.columns[0].modules() if isinstance(layer, Dropout))
        first = next(layers, None)
        if not self.training or first is None:
            return
        assert first.generator is not None, "call models.set_dropout_stream before training"
        for column, generator in zip(self.columns[1:], self.generators, strict=True):
            generator.set_state(first.generator.get_state())
            set_dropout_stream(column, generator)

    def together(self, units: list[Tensor], index: int) -> Tensor:
        """The units of both columns on the device of that index."""
        for other, own in enumerate(units):
            if own.requires_grad and other != index:
                self.traffic.count(own, times=2)  # and its gradient on the way back
        device = self.devices[index]
        return torch.cat([own.to(device, non_blocking=True) for own in units], dim=1)

    def in_flight(self, segment: Sequence[nn.Module], units: list[Tensor]) -> list[Tensor]:
        """Each column's layers on its own input, all at the same time."""
        if self.threads is None:
            return [
                run_on(device, layers, own)
                for device, layers, own in zip(self.devices, segment, units, strict=True)
            ]
        if not torch.is_grad_enabled():
            return list(self.threads.map(without_gradient, segment, units))
        weights = [weight for layers in segment for weight in layers.parameters()]
        return list(InThreads.apply(self.threads, segment, len(units), *units, *weights))


def run_on(device: torch.device, layers: nn.Module, x: Tensor) -> Tensor:
    """With that CUDA device as the current one: Triton launches on it, wherever its tensors are."""
    current: AbstractContextManager[Any] = (
        torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    )
    with current:
        return layers(x)  # type: ignore[no-any-return]


@torch.no_grad()
def without_gradient(layers: nn.Module, x: Tensor) -> Tensor:
    """Gradients are switched off by thread."""
    return layers(x)  # type: ignore[no-any-return]


class InThreads(torch.autograd.Function):
    """Modules on an input each, a thread each, forward and backward.

    On the CPU autograd goes backward in one thread. So each module keeps a graph of its own, which
    its thread goes through; it adds the gradients to the weights itself, and those that follow the
    inputs are named only so that the outputs ask for a gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        threads: ThreadPoolExecutor,
        modules: Sequence[nn.Module],
        count: int,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.threads, ctx.others = threads, len(inputs) - count
        ctx.inputs = [x.detach().requires_grad_(x.requires_grad) for x in inputs[:count]]
        ctx.outputs = list(threads.map(with_gradient, modules, ctx.inputs))
        return tuple(output.detach() for output in ctx.outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        backward: Callable[..., None] = torch.autograd.backward
        list(ctx.threads.map(backward, ctx.outputs, gradients))
        return None, None, None, *(x.grad for x in ctx.inputs), *[None] * ctx.others


@torch.enable_grad()
def with_gradient(layers: nn.Module, x: Tensor) -> Tensor:
    """The output with its graph: threads start without gradients here."""
    return layers(x)  # type: ignore[no-any-return]
