"""Memory that one training step needs."""

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from alexbench.schema import Config


def peak_memory_bytes(net: nn.Module, config: Config, device: torch.device) -> int:
    """Bytes of one training step: on CUDA the allocator's peak so far in this process.

    On a CPU, where a process that is used again hides its peaks, what the step must hold at once:
    weights, gradients and velocities, and each tensor that the forward pass keeps for the backward.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    weights = sum(weight.numel() * weight.element_size() for weight in net.parameters())
    copies = 4 if config.train.optimizer == "adam" else 3
    return copies * weights + saved_bytes(net, config)


def saved_bytes(net: nn.Module, config: Config) -> int:
    """Bytes that the forward pass of one batch keeps for the backward, each storage once.

    Counted on two images and scaled to the batch; weights do not count.
    """
    side, storages = config.augment.crop_size, dict[int, int]()
    weights = {weight.untyped_storage().data_ptr() for weight in net.parameters()}

    def keep(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return saved

    net.train()
    with saved_tensors_hooks(keep, lambda saved: saved):
        outputs = net(torch.zeros(2, 3, side, side).to(memory_format=torch.channels_last))
    assert outputs.requires_grad
    return sum(storages.values()) * config.train.batch_size // 2
