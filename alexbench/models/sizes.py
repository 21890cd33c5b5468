"""The parameters and FLOPs of a net, from a forward pass of shapes alone."""

import itertools

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count(net: nn.Module, input_size: int) -> tuple[int, int]:
    """Parameters, and FLOPs of the forward pass of one image: 2 x the multiply-adds.

    Of convolutions and matrix products only, as everywhere.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        forward(net, input_size)
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops()


@torch.no_grad()
def forward(net: nn.Module, input_size: int) -> None:
    """Run the shapes of one image through the net as in testing, on the meta device.

    Nothing is computed; and normalization is plain arithmetic there, whereas on a device it may be
    a matrix product, which would count.
    """
    tensors = itertools.chain(net.named_parameters(), net.named_buffers())
    shapes = {name: tensor.to("meta") for name, tensor in tensors}
    image = next(iter(shapes.values())).new_zeros(1, 3, input_size, input_size)
    training = net.training
    net.eval()
    torch.func.functional_call(net, shapes, image)
    net.train(training)
