"""Local response normalization operators."""

import torch
from torch import Tensor

from alexbench.kernels import lrn
from alexbench.kernels.lrn import IMPLEMENTATIONS, resolve, why_not

__all__ = ["IMPLEMENTATIONS", "local_response_norm", "rectifies_too", "resolve", "why_not"]


def local_response_norm(
    x: Tensor,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    implementation: str = "auto",
    groups: int = 1,
    rectify: bool = False,
) -> Tensor:
    """As ``kernels.lrn.local_response_norm``; torch.compile and torch.export see one operator."""
    if torch.compiler.is_compiling():
        from alexbench.kernels.operator import lrn_operator

        x = x.relu() if rectify else x
        y: Tensor = lrn_operator(x, size, alpha, beta, k, implementation, groups)
        return y
    return lrn.local_response_norm(x, size, alpha, beta, k, implementation, groups, rectify)


def rectifies_too(device: torch.device) -> bool:
    """Whether ``auto`` computes a ReLU and the normalization of its output in one pass there."""
    return not torch.compiler.is_compiling() and resolve(device) == "native"
