"""One run: a configuration, a data set and a seed -> a history and the final scores."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexbench import models
from alexbench.checkpoint import Checkpoints
from alexbench.data import Dataset, Pixels, batches
from alexbench.evaluate import Scores, evaluate
from alexbench.optimizer import build_optimizer, learning_rate, set_learning_rate, stalled
from alexbench.schema import Config, TrainConfig
from alexbench.state import Row, Running, State, now
from alexbench.streams import spawn

# told after each batch: epochs done with their fraction, training images a second, the history
Watch = Callable[[float, float, Sequence[Row]], None]
Status = Literal["finished", "diverged"]


@dataclass(frozen=True)
class Outcome:
    """What a run left behind; the scores are the last epoch's, on the centre of each image."""

    status: Status
    history: list[Row]
    scores: Scores
    net: nn.Module


def start(config: Config, num_classes: int, seed: int, device: torch.device) -> State:
    """A net with its initial weights and random streams, before the first step."""
    streams = spawn(seed, device)
    side, scale = config.augment.crop_size, config.data.scale
    net = models.build(config.model, num_classes, side, streams.weights, scale)
    net.to(device).to(memory_format=torch.channels_last)  # fastest on a CPU; fp16 on CUDA too
    models.set_dropout_stream(net, streams.dropout)
    return State(net, build_optimizer(net, config.train), streams, Running.on(device))


def train(
    config: Config,
    data: Dataset,
    seed: int,
    device: torch.device,
    watch: Watch,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Train one net, and measure it after every epoch.

    A loss that is not finite ends the run with the status ``diverged``: a result, not an error.
    With checkpoints the run goes on where the last one was made, to the bits it would have had.
    """
    recipe, count = config.train, len(data.train.labels)
    pixels = Pixels(data.train, config.data, config.augment, device)
    begin = partial(start, config, len(data.classes), seed, device)
    state = checkpoints.resume(begin) if checkpoints else begin()
    scores = None

    def between_batches() -> float:
        """Say how far the run is; keep it, or stop it, if it is time. Seconds of the keeping."""
        speed = state.running.images / state.train_seconds if state.train_seconds else 0.0
        watch(len(state.history) + state.running.images / count, speed, state.history)
        return checkpoints.keep(state) if checkpoints else 0.0

    while not (status := ended(state.history, recipe)):
        state.net.train()
        epoch, steps = len(state.history), math.ceil(count / recipe.batch_size)
        test_errors = [row["test_error"] for row in state.history]
        order = torch.randperm(count, generator=state.streams.order)
        left = order[state.running.images :]  # all of it, but for a run that was interrupted
        began = now(device) - state.train_seconds
        for images, labels in batches(data.train, left, recipe.batch_size, device):
            step = state.running.images // recipe.batch_size
            epochs_done = epoch + step / steps
            lr = learning_rate(recipe, epochs_done, test_errors)
            set_learning_rate(state.optimizer, lr, epochs_done)
            inputs = pixels.augment(images, state.streams.augmentation, epoch)
            loss, logits = train_step(state, inputs, labels)
            state.running.add(loss, logits, labels)
            state.train_seconds = time.perf_counter() - began
            began += between_batches()
        state.train_seconds = now(device) - began
        scores = evaluate(state.net, data.test, pixels, device, between=between_batches)
        train_error = clean_train_error(state.net, data, pixels, config, between_batches)
        evaluate_seconds = now(device) - began - state.train_seconds
        state.end_epoch(row_of(state, scores, train_error, evaluate_seconds))
    if scores is None:  # interrupted after the last epoch
        scores = evaluate(state.net, data.test, pixels, device, between=between_batches)
    return Outcome(status, state.history, scores, state.net)


def ended(history: Sequence[Row], recipe: TrainConfig) -> Status | None:
    """How a run with this history has ended; None while there is an epoch to train."""
    if not history:
        return None
    last = history[-1]
    if not math.isfinite(last["train_loss"]):
        return "diverged"
    at_target = recipe.stop_at_target and reached(last["train_error"], recipe.target_train_error)
    no_better = stalled(recipe, [row["test_error"] for row in history])
    return "finished" if at_target or no_better or len(history) == recipe.epochs else None


def row_of(state: State, scores: Scores, train_error: float | None, evaluate_seconds: float) -> Row:
    """The history's row of the epoch in hand."""
    images = state.running.images
    return {
        "epoch": len(state.history) + 1,
        "lr": state.optimizer.param_groups[0]["lr"],  # of the last step
        "train_loss": float(state.running.loss) / images,
        "running_train_error": 100 * int(state.running.wrong) / images,
        "train_error": train_error,
        "test_loss": scores.loss,
        "test_error": scores.error,
        "top5_error": scores.top5_error,
        "train_seconds": round(state.train_seconds, 3),
        "evaluate_seconds": round(evaluate_seconds, 3),
        "images_per_second": round(images / state.train_seconds, 1),
    }


def train_step(state: State, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Forward, backward and update on one batch; returns the mean loss and the logits."""
    logits = state.net(inputs)
    loss = F.cross_entropy(logits, labels)
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    return loss.detach(), logits.detach()


def clean_train_error(
    net: nn.Module,
    data: Dataset,
    pixels: Pixels,
    config: Config,
    between_batches: Callable[[], object],
) -> float | None:
    """The training error without augmentation and dropout; None where no pass is asked for."""
    images = config.evaluate.train_images
    if images == 0:
        return None
    device = pixels.mean.device
    return evaluate(net, data.train, pixels, device, images=images, between=between_batches).error


def reached(train_error: float | None, target: float | None) -> bool:
    return train_error is not None and target is not None and train_error <= target
