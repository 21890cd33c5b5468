"""A first step of own parts, taken before anything trains: what is wrong with them is told then."""

import torch

from alexbench import models
from alexbench.config import own_parts
from alexbench.config.constraints import own_code
from alexbench.config.schema import Config
from alexbench.errors import BadInput
from alexbench.training.train import start

IMAGES = 2  # of the step: batch normalization needs several


def check_own_parts(config: Config, num_classes: int) -> None:
    """Raises BadInput unless the net, activation and optimizer can train on a CPU.

    The net makes (images, num_classes) logits, which depend on every weight, and its size can be
    counted; the optimizer makes a step.
    """
    optimizer, side = config.train.optimizer, config.augment.crop_size
    of_net = [value for value in own_code(config) if value != optimizer]
    state = start(config, num_classes, 0, torch.device("cpu"))
    images = torch.zeros(IMAGES, 3, side, side).to(memory_format=torch.channels_last)
    names = " and ".join(map(own_parts.name, of_net))
    with own_parts.blamed(*of_net):
        models.count(state.net, side)
        logits = state.net.train()(images)
        shape = tuple(logits.shape)
        if shape != (IMAGES, num_classes):
            wanted = (IMAGES, num_classes)
            raise BadInput(f"{names}: makes outputs of shape {shape} where {wanted} are logits")
        logits.float().sum().backward()
    for name, weight in state.net.named_parameters():
        if weight.grad is None:
            own_name = name.removeprefix("net.")
            raise BadInput(f"{names}: no gradient reaches {own_name}: it is frozen, or not used")
    if own_parts.is_own(optimizer):
        with own_parts.blamed(optimizer):
            state.optimizer.step()
