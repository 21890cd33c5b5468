"""One run: a configuration, a data set and a seed -> a history and the final scores."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from alexbench import models
from alexbench.data import Dataset, Pixels, batches
from alexbench.evaluate import Scores, evaluate
from alexbench.optimizer import build_optimizer, learning_rate, set_learning_rate
from alexbench.parallel.collectives import Traffic
from alexbench.parallel.place import ALONE, Team, place
from alexbench.parallel.share import IGNORED, Share
from alexbench.parallel.weights import gather
from alexbench.schema import Config
from alexbench.streams import Streams, spawn

Row = dict[str, Any]
# told after each step: epochs done with their fraction, training images a second, last test error
Watch = Callable[[float, float, float | None], None]


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    status: Literal["finished", "diverged"]
    history: list[Row]
    scores: Scores
    net: nn.Module  # whole, on one device
    exchanged_bytes: float  # a step, between all devices of the run


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

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, images: int) -> None:
        """One batch of so many images; labels and logits of those that this process has."""
        self.loss += loss * images
        self.wrong += ((logits.argmax(1) != labels) & (labels != IGNORED)).sum()
        self.images += images


@dataclass
class State:
    """Where a training run stands."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    streams: Streams
    share: Share = field(default_factory=Share)
    traffic: Traffic = field(default_factory=Traffic)
    history: list[Row] = field(default_factory=list)


def start(
    config: Config, num_classes: int, seed: int, device: torch.device, team: Team = ALONE
) -> State:
    """A net with its initial weights and random streams, before the first step."""
    streams = spawn(seed, device)
    side, scale = config.augment.crop_size, config.data.scale
    net = models.build(config.model, num_classes, side, streams.weights, scale)
    net.to(device).to(memory_format=torch.channels_last)  # fastest on a CPU; fp16 on CUDA too
    placed = place(net, config.train, team)
    models.set_dropout_stream(placed.net, streams.dropout)
    optimizer = build_optimizer(placed.net, config.train)
    return State(placed.net, optimizer, streams, placed.share, placed.traffic)


def train(
    config: Config,
    data: Dataset,
    seed: int,
    device: torch.device,
    watch: Watch,
    team: Team = ALONE,
) -> Outcome:
    """Train one net, and measure it after every epoch.

    team: the processes that train it together; each of them calls this and has the same outcome.

    A loss that is not finite ends the run with the status ``diverged``: a result, not an error.
    """
    recipe = config.train
    pixels = Pixels(data.train, config.data, config.augment, device)
    state = start(config, len(data.classes), seed, device, team)
    share = state.share
    count = len(data.train.labels)
    steps = math.ceil(count / recipe.batch_size)
    status: Literal["finished", "diverged"] = "finished"
    for epoch in range(recipe.epochs):
        state.net.train()
        running = Running.on(device)
        test_errors = [row["test_error"] for row in state.history]
        order = torch.randperm(count, generator=state.streams.order)
        began = now(device)
        mine = share.order(order, recipe.batch_size)
        for step, (images, labels) in enumerate(
            batches(data.train, mine, share.part(recipe.batch_size), device)
        ):
            share.begin(min(recipe.batch_size, count - step * recipe.batch_size))
            lr = learning_rate(recipe, epoch + step / steps, test_errors)
            set_learning_rate(state.optimizer, lr)
            inputs = pixels.augment(images, state.streams.augmentation, share)
            labels = share.labels(labels)
            loss, logits = train_step(state, inputs, labels)
            running.add(loss, logits, labels, share.whole)
            speed = running.images / (time.perf_counter() - began)
            watch(epoch + (step + 1) / steps, speed, test_errors[-1] if test_errors else None)
        share.add_up(running.loss, running.wrong)
        train_seconds = now(device) - began
        scores = evaluate(state.net, data.test, pixels, device, share=share)
        train_error = clean_train_error(state, data, pixels, config, device)
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
    if config.evaluate.views != "centre":
        views = config.evaluate.views
        scores = evaluate(state.net, data.test, pixels, device, views, share=share)
        errors = {"test_error": scores.error, "top5_error": scores.top5_error}
        state.history[-1] |= {"test_loss": scores.loss, **errors}
    net = whole_net(state, config, len(data.classes), device)
    exchanged_bytes = state.traffic.of_all(device) / share.step
    return Outcome(status, state.history, scores, net, exchanged_bytes)


def whole_net(state: State, config: Config, num_classes: int, device: torch.device) -> nn.Module:
    """The trained net on one device, wherever its parts were trained."""
    if isinstance(state.net, nn.Sequential):
        return state.net
    net = models.blueprint(config.model, num_classes, config.augment.crop_size)
    net.to_empty(device=device).to(memory_format=torch.channels_last)
    net.load_state_dict(gather(state.net))
    models.set_dropout_stream(net, state.streams.dropout)
    return net


def train_step(state: State, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Forward, backward and update on one batch; returns the mean loss and the logits."""
    logits = state.net(inputs)
    loss = state.share.loss(logits, labels)
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    return loss.detach(), logits.detach()


def clean_train_error(
    state: State, data: Dataset, pixels: Pixels, config: Config, device: torch.device
) -> float | None:
    """The training error without augmentation and dropout; None where no pass is asked for."""
    images = config.evaluate.train_images
    if images == 0:
        return None
    return evaluate(state.net, data.train, pixels, device, images=images, share=state.share).error


def reached(train_error: float | None, target: float | None) -> bool:
    return train_error is not None and target is not None and train_error <= target


def now(device: torch.device) -> float:
    """Seconds on the host's clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
