"""A training step or a whole net as a call, and its least number of FLOPs and bytes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from alexbench import models
from alexbench.bench.arms import FORMATS, Arm
from alexbench.bench.cost import INDEX_BYTES, Cost
from alexbench.bench.shapes import TrainStep, WholeNet
from alexbench.bench.timing import Call
from alexbench.config.schema import AugmentConfig, Config, ModelConfig, TrainConfig
from alexbench.training.numerics import autocast, memory_format
from alexbench.training.train import start, train_step

# values a weight that the update reads and writes. fused: it, its gradient and its velocity, and it
# and its velocity again; else by four of torch's operators, of which the first has one operand
FUSED_VALUES, OPERATOR_VALUES = 5, 2 + 3 * 3
WEIGHT_BYTES = 4  # also of gradients and velocities, in every precision
NET_SIDE, NET_CLASSES = 224, 1000


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


def net_config(net: WholeNet, precision: str = "ieee") -> Config:
    """The net as the schema builds it, without LRN and dropout."""
    model = ModelConfig.model_validate({"lrn": "none", "dropout": 0.0, **dict(net.model)})
    train = TrainConfig.model_validate({"precision": precision})
    return Config(model=model, augment=AugmentConfig(crop_size=NET_SIDE), train=train)


def net_call(net: WholeNet, arm: Arm, batch: int, device: torch.device) -> Call:
    """The forward pass as in training; with direction ``both`` the gradients of all weights too."""
    config, layout = net_config(net, arm.precision), FORMATS[arm.memory_format]
    built = models.build(config.model, NET_CLASSES, NET_SIDE, seed=0).to(device)
    built.to(memory_format=layout)
    inputs = random_batch(NET_SIDE, NET_CLASSES, batch, device)[0].contiguous(memory_format=layout)

    def forward() -> Tensor:
        with autocast(arm.precision, device):
            return built(inputs)  # type: ignore[no-any-return]

    if arm.direction == "forward":
        return forward
    weights, gradient = list(built.parameters()), torch.ones_like(forward())
    return lambda: torch.autograd.grad(forward(), weights, gradient)


def step_cost(config: Config, num_classes: int, batch: int, fused: bool = False) -> Cost:
    """FLOPs of convolutions and matrix products in both passes, and modelled bytes with the update.

    fused: the update is one kernel, as on CUDA.
    """
    net = models.blueprint(config.model, num_classes, config.augment.crop_size)
    updated = FUSED_VALUES if fused else OPERATOR_VALUES
    update = WEIGHT_BYTES * updated * sum(weight.numel() for weight in net.parameters())
    return net_cost(config, num_classes, batch) + Cost(0, update)


def net_cost(config: Config, num_classes: int, batch: int, direction: str = "both") -> Cost:
    """FLOPs of a net's convolutions and matrix products, and modelled bytes; forward, or both.

    Bytes: for each layer what ``cost`` says of a layer; with bf16 its inputs and outputs are half
    as large, and its weights are not. Counted on the meta device, where nothing is computed.
    """
    side, item = config.augment.crop_size, 2 if config.train.precision == "bf16" else 4
    net, moved = models.blueprint(config.model, num_classes, side), 0
    layers = [layer for layer in net.modules() if not list(layer.children())]

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal moved
        weights = WEIGHT_BYTES * sum(weight.numel() for weight in layer.parameters())
        x, y = item * inputs[0].numel(), item * output.numel()
        indices = INDEX_BYTES * output.numel() if isinstance(layer, nn.MaxPool2d) else 0
        moved += x + weights + y + indices
        if direction == "both":
            moved += x + y + weights + indices
            moved += x + weights if inputs[0].requires_grad else 0

    handles = [
        layer.register_forward_hook(note) for layer in layers if not isinstance(layer, nn.Flatten)
    ]
    counter = meta_step(net, batch, side, direction)
    for handle in handles:
        handle.remove()
    return Cost(counter.get_total_flops(), moved)


def conv_flops(config: Config, num_classes: int, batch: int) -> int:
    """FLOPs of the convolutions alone in both passes of a step."""
    side = config.augment.crop_size
    counter = meta_step(models.blueprint(config.model, num_classes, side), batch, side)
    counts = counter.get_flop_counts()["Global"]
    return sum(flops for operator, flops in counts.items() if "convolution" in str(operator))


def meta_step(net: nn.Module, batch: int, side: int, direction: str = "both") -> FlopCounterMode:
    """Count the forward pass of a net, or both passes, on the meta device."""
    net.eval()  # dropout's masks need a generator, and there is none for meta
    counter = FlopCounterMode(display=False)
    with counter:
        logits = net(torch.empty(batch, 3, side, side, device="meta"))
        if direction == "both":
            F.cross_entropy(logits, logits.new_zeros(batch, dtype=torch.int64)).backward()
    return counter
