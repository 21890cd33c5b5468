"""The paper's update rule, parameter groups for weights and biases, and learning-rate schedules."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from alexbench.config import own_parts
from alexbench.config.schema import TrainConfig
from alexbench.errors import BadInput
from alexbench.kernels import why_not


class PaperSGD:
    """v <- momentum v - lr (weight_decay w + g); w <- w + v (section 5).

    torch.optim.SGD keeps lr outside the velocity, so that a lower rate shrinks the steps of the
    past as well; here, as in the released weights.cu, they keep the rate that they were made at.
    Not a torch.optim.Optimizer, whose constructor imports a compiler: a second for each worker.
    fused: by one Triton kernel a weight, which reads the rate where ``send_rates`` put it.
    """

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, momentum: float, fused: bool = False
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": 0.0}
        self.param_groups = [settings | group for group in groups]
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        self.fused = fused
        self.rates: list[dict[torch.device, Tensor]] = [{} for _ in groups]  # on each device
        self.sent: list[float | None] = [None for _ in groups]

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients of the weights."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight]["velocity"] = torch.zeros_like(weight)
            if self.fused:
                continue
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
        if self.fused:
            self.fused_step()

    def send_rates(self) -> None:
        """Write each group's rate to its devices, where it has changed since the last time."""
        for number, group in enumerate(self.param_groups):
            if group["lr"] == self.sent[number]:
                continue
            for device in {weight.device for weight in group["params"]}:
                kept = self.rates[number].setdefault(device, torch.empty((), device=device))
                kept.fill_(group["lr"])
            self.sent[number] = group["lr"]

    def fused_step(self) -> None:
        """The update by Triton's kernel; imported late, as Triton is not on every machine."""
        from alexbench.kernels.triton_sgd import update

        self.send_rates()
        for group, rates in zip(self.param_groups, self.rates, strict=True):
            for weight in group["params"]:
                if weight.grad is not None:
                    velocity = self.state[weight]["velocity"]
                    rate = rates[weight.device]
                    update(weight, velocity, rate, group["momentum"], group["weight_decay"])


Optimizer: TypeAlias = PaperSGD | torch.optim.Optimizer


def build_optimizer(net: nn.Module, train: TrainConfig) -> Optimizer:
    """SGD as in the paper, Adam or one's own, with a group for the weights and one for the biases.

    Layers with a rate or a decay of their own have groups of their own. Raises BadInput.
    """
    own = {
        *train.layer_lr_factor,
        *train.layer_weight_lr_factor,
        *train.layer_weight_decay,
        *train.layer_lr,
    }
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameter in net.named_parameters():
        layer = name.rpartition(".")[0].rpartition(".")[2]  # columns.0.conv1.weight
        key = (layer if layer in own else "", name.endswith("bias"))
        settings = group_settings(train, *key)
        groups.setdefault(key, settings | {"params": []})["params"].append(parameter)
    ordered = [groups[key] for key in sorted(groups)]
    if train.optimizer == "adam":
        return torch.optim.Adam(ordered, lr=train.lr)
    if own_parts.is_own(train.optimizer):
        return own_optimizer(train, ordered)
    devices = {weight.device for weight in net.parameters()}
    fused = all(device.type == "cuda" and not why_not("triton", device) for device in devices)
    return PaperSGD(ordered, train.lr, train.momentum, fused)


def own_optimizer(train: TrainConfig, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """What the file's function makes of the groups; raises BadInput unless it has every weight."""
    wanted = {id(weight) for group in groups for weight in group["params"]}
    made, name = own_parts.call(train.optimizer, groups, train), own_parts.name(train.optimizer)
    if not isinstance(made, torch.optim.Optimizer):
        raise BadInput(f"{name}: returns {type(made).__name__}, not a torch.optim.Optimizer")
    if {id(weight) for group in made.param_groups for weight in group["params"]} != wanted:
        raise BadInput(f"{name}: the optimizer has other weights than the groups that it was given")
    return made


def group_settings(train: TrainConfig, layer: str, is_bias: bool) -> dict[str, Any]:
    """The decay of a group of parameters, and its rate as a multiple of the weights' rate.

    ``rates``: pairs of an epoch and the rate from then on, whatever the schedule says: of a layer,
    or of biases that the schedule passes over, as in the released runs.
    """
    own = train.bias_lr_factor if is_bias else train.layer_weight_lr_factor.get(layer, 1.0)
    factor = train.layer_lr_factor.get(layer, 1.0) * own
    decay = train.layer_weight_decay.get(layer, train.weight_decay)
    rates = train.layer_lr.get(layer, ())
    if is_bias:
        constant = () if train.anneal_biases else ((0.0, train.lr * factor),)
        rates = (train.bias_lr or constant) + tuple(pair for pair in rates if pair[1] == 0)
    return {
        "weight_decay": decay if train.decay_biases or not is_bias else 0.0,
        "lr_factor": factor,
        "rates": rates,
    }


def set_learning_rate(optimizer: Optimizer, lr: float, epochs_done: float = 0.0) -> None:
    """Set the rate of each group: lr times its factor, or the group's own rate of that epoch."""
    for group in optimizer.param_groups:
        held = [rate for epoch, rate in group.get("rates", ()) if epoch <= epochs_done]
        group["lr"] = held[-1] if held else lr * group.get("lr_factor", 1.0)


def learning_rate(train: TrainConfig, epochs_done: float, test_errors: Sequence[float]) -> float:
    """The weights' learning rate at a moment of training.

    epochs_done: with its fraction. test_errors: of the finished epochs; only plateau looks at them.
    """
    if train.schedule == "linear":
        return train.lr * (1 - epochs_done / train.epochs)
    if train.schedule == "cosine":
        return train.lr * (1 + math.cos(math.pi * epochs_done / train.epochs)) / 2
    if train.schedule == "stairs":
        part = min(int(train.stairs * epochs_done / train.epochs), train.stairs - 1)
        return float(train.lr / train.stairs_ratio ** (part / (train.stairs - 1)))
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


def stalled(train: TrainConfig, errors: Sequence[float]) -> bool:
    """Whether training ends early: so many epochs without a lower test error."""
    return train.stop_patience > 0 and plateaus(errors, train.stop_patience, most=1) > 0
