"""Parts of one's own for own_net.yaml: a net and an activation."""

import torch
from torch import Tensor, nn


def build(model, num_classes: int, input_size: int) -> nn.Module:
    """Two convolutions with batch normalization; model.width scales the kernels."""
    kernels = round(64 * model.width)
    return nn.Sequential(
        nn.Conv2d(3, kernels, 5, padding=2, bias=False),
        nn.BatchNorm2d(kernels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(kernels, 2 * kernels, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * kernels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(2 * kernels * 16, num_classes),
    )


def swish(x: Tensor) -> Tensor:
    """x * sigmoid(x)."""
    return x * torch.sigmoid(x)
