"""The share of a net's tanh units that is saturated, layer by layer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from torch import Tensor, nn

from alexbench.models.layers import ScaledTanh

SATURATED = 0.95  # of the activation's limit
LIMITS = {nn.Tanh: 1.0, ScaledTanh: 1.7159}  # the largest size of an output


def saturated_percent(net: nn.Module, forward: Callable[[], object]) -> dict[str, float]:
    """Percent of each layer's tanh units that exceed 0.95 of their limit in size.

    forward: passes images through the net; the units of all of them count. Keys are
    ``saturated_<layer>``. Empty for a net without tanh, where ``forward`` is not called.
    """
    counts: dict[str, list[int]] = {}

    def count(layer: str, limit: float, _: nn.Module, inputs: object, output: Tensor) -> None:
        counts[layer][0] += int((output.abs() > SATURATED * limit).sum())
        counts[layer][1] += output.numel()

    with ExitStack() as hooks:
        for layer, activation in tanh_activations(net):
            hook = partial(count, layer, LIMITS[type(activation)])
            hooks.enter_context(activation.register_forward_hook(hook))
            counts[layer] = [0, 0]
        if counts:
            forward()
    return {
        f"saturated_{layer}": round(100 * high / units, 3)
        for layer, (high, units) in counts.items()
    }


def tanh_activations(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Each tanh of a net with the name of its layer: the last one with weights before it."""
    layer = ""
    for name, module in net.named_children():
        if next(module.parameters(), None) is not None:
            layer = name
        elif type(module) in LIMITS:
            yield layer, module
