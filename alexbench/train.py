"""One run: a configuration, a data set and a seed -> a history and the final scores."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexbench import models
from alexbench.data import Dataset, Pixels, batches
from alexbench.evaluate import Scores, evaluate
from alexbench.optimizer import build_optimizer, learning_rate, set_learning_rate, stalled
from alexbench.schema import Config
from alexbench.streams import Streams, spawn

Row = dict[str, Any]
# told after each step: epochs done with their fraction, training images a second, last test error
Watch = Callable[[float, float, float | None], None]


@dataclass(frozen=True)
class Outcome:
    """What a run left behind; the scores are the last epoch's, on the centre of each image."""

    status: Literal["finished", "diverged"]
    history: list[Row]
    scores: Scores
    net: nn.Module


@dataclass
class Running:
    """Sums over the batches of an epoch, kept on the device so that no batch waits for a number."""

    loss: Tensor
    wrong: Tensor
    images: int = 0

    @classmethod
    def on(cls, device: torch.device) -> "Running":
        wrong = torch.zeros((), dtype=torch.int64, device=device)
        return cls(torch.zeros((), device=device), wrong)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.loss += loss * len(labels)
        self.wrong += (logits.argmax(1) != labels).sum()
        self.images += len(labels)


@dataclass
class State:
    """Where a training run stands."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    streams: Streams
    history: list[Row] = field(default_factory=list)


def start(config: Config, num_classes: int, seed: int, device: torch.device) -> State:
    """A net with its initial weights and random streams, before the first step."""
    streams = spawn(seed, device)
    side, scale = config.augment.crop_size, config.data.scale
    net = models.build(config.model, num_classes, side, streams.weights, scale)
    net.to(device).to(memory_format=torch.channels_last)  # fastest on a CPU; fp16 on CUDA too
    models.set_dropout_stream(net, streams.dropout)
    return State(net, build_optimizer(net, config.train), streams)


def train(config: Config, data: Dataset, seed: int, device: torch.device, watch: Watch) -> Outcome:
    """Train one net, and measure it after every epoch.

    A loss that is not finite ends the run with the status ``diverged``: a result, not an error.
    """
    recipe = config.train
    pixels = Pixels(data.train, config.data, config.augment, device)
    state = start(config, len(data.classes), seed, device)
    count = len(data.train.labels)
    steps = math.ceil(count / recipe.batch_size)
    status: Literal["finished", "diverged"] = "finished"
    for epoch in range(recipe.epochs):
        state.net.train()
        running = Running.on(device)
        test_errors = [row["test_error"] for row in state.history]
        order = torch.randperm(count, generator=state.streams.order)
        began = now(device)
        for step, (images, labels) in enumerate(
            batches(data.train, order, recipe.batch_size, device)
        ):
            lr = learning_rate(recipe, epoch + step / steps, test_errors)
            set_learning_rate(state.optimizer, lr)
            inputs = pixels.augment(images, state.streams.augmentation)
            loss, logits = train_step(state, inputs, labels)
            running.add(loss, logits, labels)
            speed = running.images / (time.perf_counter() - began)
            watch(epoch + (step + 1) / steps, speed, test_errors[-1] if test_errors else None)
        train_seconds = now(device) - began
        scores = evaluate(state.net, data.test, pixels, device)
        train_error = clean_train_error(state.net, data, pixels, config, device)
        state.history.append(
            {
                "epoch": epoch + 1,
                "lr": lr,
                "train_loss": float(running.loss) / count,
                "running_train_error": 100 * int(running.wrong) / count,
                "train_error": train_error,
                "test_loss": scores.loss,
                "test_error": scores.error,
                "top5_error": scores.top5_error,
                "train_seconds": round(train_seconds, 3),
                "evaluate_seconds": round(now(device) - began - train_seconds, 3),
                "images_per_second": round(count / train_seconds, 1),
            }
        )
        if not math.isfinite(float(running.loss)):
            status = "diverged"
            break
        if recipe.stop_at_target and reached(train_error, recipe.target_train_error):
            break
        if stalled(recipe, [*test_errors, scores.error]):
            break
    return Outcome(status, state.history, scores, state.net)


def train_step(state: State, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Forward, backward and update on one batch; returns the mean loss and the logits."""
    logits = state.net(inputs)
    loss = F.cross_entropy(logits, labels)
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    return loss.detach(), logits.detach()


def clean_train_error(
    net: nn.Module, data: Dataset, pixels: Pixels, config: Config, device: torch.device
) -> float | None:
    """The training error without augmentation and dropout; None where no pass is asked for."""
    images = config.evaluate.train_images
    if images == 0:
        return None
    return evaluate(net, data.train, pixels, device, images=images).error


def reached(train_error: float | None, target: float | None) -> bool:
    return train_error is not None and target is not None and train_error <= target


def now(device: torch.device) -> float:
    """Seconds on the host's clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
