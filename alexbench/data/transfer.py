"""From the host to the device, without a wait."""

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; on CUDA through pinned memory, so that the host goes on at once.

    A copy from other memory waits until the stream has come to it: in every step, if a step needs
    one. torch keeps pinned memory for the next call, once the copy from it is done.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # itself, if it is pinned
    return tensor.to(device, non_blocking=True)
