"""A whole training step as a call, and its least number of FLOPs and bytes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from alexbench import models
from alexbench.bench.cost import INDEX_BYTES, Cost
from alexbench.bench.shapes import TrainStep
from alexbench.bench.timing import Call
from alexbench.config.schema import AugmentConfig, Config, ModelConfig, TrainConfig
from alexbench.training.numerics import memory_format
from alexbench.training.train import start, train_step

# values a weight that the update reads and writes. fused: it, its gradient and its velocity, and it
# and its velocity again; else by four of torch's operators, of which the first has one operand
FUSED_VALUES, OPERATOR_VALUES = 5, 2 + 3 * 3


def step_config(step: TrainStep, precision: str = "ieee") -> Config:
    """The schema's defaults, which are the paper's, for that net and input size.

    LRN of the CIFAR-10 net stands after the pools, as in the released recipes.
    """
    order = "after_pool" if step.name == "cifar4" else "after_relu"
    model = ModelConfig.model_validate({"name": step.name, "lrn_order": order})
    train = TrainConfig.model_validate({"precision": precision})
    return Config(model=model, augment=AugmentConfig(crop_size=step.input_size), train=train)


def step_call(config: Config, num_classes: int, batch: int, device: torch.device) -> Call:
    """Forward, backward and update on one batch that is on the device already."""
    state = start(config, num_classes, 0, device)
    state.net.train()
    inputs, labels = random_batch(config.augment.crop_size, num_classes, batch, device)
    layout = memory_format(config.train.precision, device)
    inputs = inputs.contiguous(memory_format=layout)
    return lambda: train_step(state, inputs, labels)


def random_batch(
    side: int, num_classes: int, batch: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Normal draws (B, 3, side, side) and random labels (B,), from seed 0."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(batch, 3, side, side, generator=generator)
    labels = torch.randint(num_classes, (batch,), generator=generator)
    return inputs.to(device).contiguous(memory_format=torch.channels_last), labels.to(device)


def step_cost(config: Config, num_classes: int, batch: int, fused: bool = False) -> Cost:
    """FLOPs of convolutions and matrix products in both passes, and modelled bytes.

    Bytes: for each layer what ``cost`` says of a layer, and the update's. fused: on CUDA.
    Counted on the meta device, where nothing is computed.
    """
    side = config.augment.crop_size
    net = models.blueprint(config.model, num_classes, side)
    updated = FUSED_VALUES if fused else OPERATOR_VALUES
    values = updated * sum(weight.numel() for weight in net.parameters())
    index_bytes = 0
    layers = [layer for layer in net.modules() if not list(layer.children())]

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal values, index_bytes
        weights = sum(weight.numel() for weight in layer.parameters())
        x, y = inputs[0].numel(), output.numel()
        values += (x + weights + y) + (x + y + weights) + weights
        values += x if inputs[0].requires_grad else 0
        index_bytes += 2 * INDEX_BYTES * y if isinstance(layer, nn.MaxPool2d) else 0

    handles = [
        layer.register_forward_hook(note) for layer in layers if not isinstance(layer, nn.Flatten)
    ]
    counter = meta_step(net, batch, side)
    for handle in handles:
        handle.remove()
    return Cost(counter.get_total_flops(), 4 * values + index_bytes)


def conv_flops(config: Config, num_classes: int, batch: int) -> int:
    """FLOPs of the convolutions alone in both passes of a step."""
    side = config.augment.crop_size
    counter = meta_step(models.blueprint(config.model, num_classes, side), batch, side)
    counts = counter.get_flop_counts()["Global"]
    return sum(flops for operator, flops in counts.items() if "convolution" in str(operator))


def meta_step(net: nn.Module, batch: int, side: int) -> FlopCounterMode:
    """Count both passes of a net on the meta device."""
    net.eval()  # dropout's masks need a generator, and there is none for meta
    counter = FlopCounterMode(display=False)
    with counter:
        logits = net(torch.empty(batch, 3, side, side, device="meta"))
        F.cross_entropy(logits, logits.new_zeros(batch, dtype=torch.int64)).backward()
    return counter
