"""The paper's update rule, parameter groups for weights and biases, and learning-rate schedules."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from alexbench.schema import TrainConfig


class PaperSGD(torch.optim.Optimizer):
    """v <- momentum v - lr (weight_decay w + g); w <- w + v (section 5).

    torch.optim.SGD keeps lr outside the velocity, so that a lower rate shrinks the steps of the
    past as well; here, as in the released weights.cu, they keep the rate that they were made at.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight]["velocity"] = torch.zeros_like(weight)
            if not weights or group["lr"] == 0:
                continue
            gradients = [weight.grad for weight in weights]
            velocities = [self.state[weight]["velocity"] for weight in weights]
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, gradients, alpha=-group["lr"])
            if group["weight_decay"]:
                shrink = -group["lr"] * group["weight_decay"]
                torch._foreach_add_(velocities, weights, alpha=shrink)
            torch._foreach_add_(weights, velocities)


def build_optimizer(net: nn.Module, train: TrainConfig) -> torch.optim.Optimizer:
    """SGD as in the paper or Adam, with a group for the weights and one for the biases."""
    weights = [p for name, p in net.named_parameters() if not name.endswith("bias")]
    biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
    bias_decay = train.weight_decay if train.decay_biases else 0.0
    groups = [
        {"params": weights, "weight_decay": train.weight_decay, "lr_factor": 1.0},
        {"params": biases, "weight_decay": bias_decay, "lr_factor": train.bias_lr_factor},
    ]
    if train.optimizer == "adam":
        return torch.optim.Adam(groups, lr=train.lr)
    return PaperSGD(groups, lr=train.lr, momentum=train.momentum)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """That rate for the weights, and times its lr_factor for every other group."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]


def learning_rate(train: TrainConfig, epochs_done: float, test_errors: Sequence[float]) -> float:
    """The weights' learning rate at a moment of training.

    epochs_done: with its fraction. test_errors: of the finished epochs; only plateau looks at them.
    """
    if train.schedule == "linear":
        return train.lr * (1 - epochs_done / train.epochs)
    if train.schedule == "cosine":
        return train.lr * (1 + math.cos(math.pi * epochs_done / train.epochs)) / 2
    drops = 0
    if train.schedule == "step":
        drops = sum(epoch <= epochs_done for epoch in train.lr_drop_epochs)
    elif train.schedule == "plateau":
        drops = plateaus(test_errors, train.plateau_patience, train.plateau_drops)
    return train.lr / train.lr_drop_factor**drops


def plateaus(errors: Sequence[float], patience: int, most: int) -> int:
    """How often the error did not fall below its best for so many epochs in a row."""
    count, waited, best = 0, 0, math.inf
    for error in errors:
        waited = 0 if error < best else waited + 1
        best = min(best, error)
        if waited == patience:
            count, waited = count + 1, 0
    return min(count, most)
