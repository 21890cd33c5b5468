"""Memory that one training step needs."""

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from alexbench import models
from alexbench.config.schema import Config
from alexbench.data import Dataset, HeldSplit
from alexbench.training.evaluate import images_a_batch
from alexbench.training.numerics import autocast, memory_format, uses_graph

WORKSPACE_BYTES = 1 << 30  # of cuDNN and cuBLAS, and what the allocator rounds up


def peak_memory_bytes(net: nn.Module, config: Config, device: torch.device) -> int:
    """Bytes that one training step must hold at once: weights, gradients, velocities, activations.

    On CUDA activations are the allocator's peak over a forward and backward pass. On a CPU, where a
    process that is used again hides its peaks, each tensor that the forward pass keeps counts. An
    own optimizer counts as Adam, with two tensors a weight.
    """
    weights = sum(weight.numel() * weight.element_size() for weight in net.parameters())
    copies = 3 if config.train.optimizer == "sgd" else 4
    if device.type != "cuda":
        return copies * weights + saved_bytes(net, config)
    net.zero_grad()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    side = config.augment.crop_size
    inputs = torch.zeros(config.train.batch_size, 3, side, side, device=device)
    inputs = inputs.contiguous(memory_format=memory_format(config.train.precision, device))
    with autocast(config.train.precision, device):
        loss = net.train()(inputs).float().sum()
    loss.backward()
    added = torch.cuda.max_memory_allocated(device) - before  # gradients are among it
    return (copies - 1) * weights + added


def gpu_bytes(config: Config, data: Dataset) -> int:
    """Bytes that a run may take of a GPU: more than it does, as it is not known before.

    Those of a step, with a gradient for each activation; as much for the larger batches of an
    evaluation, image for image, in the same memory or, where a graph keeps the step's, beside it;
    the images that live there; and the libraries' working memory.
    """
    splits = [split for split in (data.train, data.test) if isinstance(split, HeldSplit)]
    net = untrained(config, len(data.classes))
    saved = saved_bytes(net, config)
    step = peak_memory_bytes(net, config, torch.device("cpu")) + saved
    larger = images_a_batch(config.augment.crop_size) / config.train.batch_size
    images = sum(split.images.nbytes for split in splits)
    both = sum if uses_graph(config.train, torch.device("cuda")) else max
    return int(both((step, larger * saved))) + images + WORKSPACE_BYTES


def step_bytes(config: Config, num_classes: int) -> int:
    """``peak_memory_bytes`` of a net that was not built yet, as on a CPU."""
    return peak_memory_bytes(untrained(config, num_classes), config, torch.device("cpu"))


def untrained(config: Config, num_classes: int) -> nn.Module:
    """The net of a configuration, only to be looked at."""
    net = models.build(config.model, num_classes, config.augment.crop_size, seed=0)
    models.set_dropout_stream(net, torch.Generator().manual_seed(0))
    return net


def saved_bytes(net: nn.Module, config: Config) -> int:
    """Bytes that the forward pass of one batch keeps for the backward, each storage once.

    Counted on two and four images: copies of weights in bf16 do not grow with the batch. The
    weights themselves do not count.
    """
    weights = {weight.untyped_storage().data_ptr() for weight in net.parameters()}
    side, precision = config.augment.crop_size, config.train.precision
    net.train()

    def of(images: int) -> int:
        storages: dict[int, int] = {}
        kept = []  # else a storage that is freed gives its address to another

        def keep(saved: Tensor) -> Tensor:
            storage = saved.untyped_storage()
            if storage.data_ptr() not in weights:
                storages[storage.data_ptr()] = storage.nbytes()
            kept.append(storage)
            return saved

        inputs = torch.zeros(images, 3, side, side).to(memory_format=torch.channels_last)
        with (
            autocast(precision, torch.device("cpu")),
            saved_tensors_hooks(keep, lambda saved: saved),
        ):
            outputs = net(inputs)
        assert outputs.requires_grad
        return sum(storages.values())

    two = of(2)
    return two + (of(4) - two) // 2 * (config.train.batch_size - 2)
