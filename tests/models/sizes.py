"""The sizes of the maps in a net."""

from torch import Tensor, nn

from alexbench.models.sizes import forward


def layer_sizes(net: nn.Module, input_size: int) -> list[tuple[str, tuple[int, ...]]]:
    """The name of each layer and the shape of its output for one image, in forward order."""
    sizes: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str, output: Tensor) -> None:
        sizes.append((name, tuple(output.shape[1:])))

    handles = [
        layer.register_forward_hook(lambda _layer, _inputs, output, name=name: note(name, output))
        for name, layer in net.named_children()
    ]
    forward(net, input_size)
    for handle in handles:
        handle.remove()
    return sizes
