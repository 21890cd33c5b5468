"""One run: a configuration, a data set and a seed -> a history and the final scores."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn

from alexbench import models
from alexbench.config.schema import Config, EvaluateConfig, TrainConfig
from alexbench.data import Dataset, Pixels, Split, batches
from alexbench.parallel.placed import ALONE, ProcessGroup, distribute
from alexbench.training.checkpoint import Checkpoints
from alexbench.training.evaluate import Scores, evaluate
from alexbench.training.numerics import autocast, memory_format
from alexbench.training.optimizer import build_optimizer, learning_rate, set_learning_rate, stalled
from alexbench.training.random_streams import spawn
from alexbench.training.recorded import WARM_STEPS, recorded
from alexbench.training.saturation import saturated_percent
from alexbench.training.state import Row, Running, State, now
from alexbench.training.weights import finite, gather

# called after each batch: epochs done with their fraction, training images a second, the history
ProgressCallback = Callable[[float, float, Sequence[Row]], None]
Status = Literal["finished", "diverged"]
LARGEST_LOSS = 1e6  # nats; of 15,000 epochs on record the largest has 67, and came back from it


@dataclass(frozen=True)
class Outcome:
    """The result of training; the scores are the last epoch's, on the centre of each image."""

    status: Status
    history: list[Row]
    scores: Scores
    net: nn.Module  # whole, on one device


def start(
    config: Config, num_classes: int, seed: int, device: torch.device, group: ProcessGroup = ALONE
) -> State:
    """A net with its initial weights and random streams, before the first step."""
    streams = spawn(seed, device)
    side, scale = config.augment.crop_size, config.data.scale
    net = models.build(config.model, num_classes, side, streams.weights, scale)
    net.to(device).to(memory_format=memory_format(config.train.precision, device))
    net, share, traffic = distribute(net, config.train, group)
    models.set_dropout_stream(net, streams.dropout)
    optimizer = build_optimizer(net, config.train)
    running, precision = Running.on(device), config.train.precision
    return State(net, optimizer, streams, running, share, traffic, precision=precision)


def warm_up(
    config: Config, num_classes: int, count: int, device: torch.device, group: ProcessGroup = ALONE
) -> float:
    """Seconds of a step of a net that is thrown away, on a whole batch, as the run will take it.

    The steps before it start CUDA, compile kernels, look for algorithms and record the graph, for
    an epoch's shorter last batch as well: no run's time has them. count: training images.
    """
    recipe, side = config.train, config.augment.crop_size
    state, whole = start(config, num_classes, 0, device, group), min(count, recipe.batch_size)
    step_once = recorded(train_step, recipe, state, device)
    state.net.train()
    for size in (count % recipe.batch_size or whole, *[whole] * (WARM_STEPS + 2)):
        part = state.share.part(size)
        inputs = torch.zeros(part, 3, side, side, device=device)
        inputs = inputs.contiguous(memory_format=memory_format(recipe.precision, device))
        labels = torch.zeros(part, dtype=torch.int64, device=device)
        began = now(device)
        state.share.begin(size)
        step_once(state, inputs, labels)
    return now(device) - began


def train(
    config: Config,
    data: Dataset,
    seed: int,
    device: torch.device,
    on_progress: ProgressCallback,
    checkpoints: Checkpoints | None = None,
    group: ProcessGroup = ALONE,
) -> Outcome:
    """Train one net, and measure it after every epoch.

    A loss or weights that are not finite, and a loss beyond LARGEST_LOSS, end the run as diverged:
    a result, not an error. With checkpoints it goes on where it was, on a CPU to the same bits.
    group: the processes that train it together; all of them call this, and have one outcome.
    """
    recipe, count = config.train, len(data.train.labels)
    layout = memory_format(recipe.precision, device)
    pixels = Pixels(data.train, config.data, config.augment, device, layout)
    begin = partial(start, config, len(data.classes), seed, device, group)
    state = checkpoints.resume(begin) if checkpoints else begin()
    share, step_once = state.share, recorded(train_step, recipe, state, device)
    scores = None

    def between_batches() -> float:
        """Report progress; write a checkpoint or stop if it is time. Seconds that this took."""
        speed = state.running.images / state.train_seconds if state.train_seconds else 0.0
        on_progress(len(state.history) + state.running.images / count, speed, state.history)
        return checkpoints.keep(state) if checkpoints else 0.0

    while not (status := ended(state.history, recipe, state.net)):
        state.net.train()
        epoch, steps = len(state.history), math.ceil(count / recipe.batch_size)
        test_errors = [row["test_error"] for row in state.history]
        order = torch.randperm(count, generator=state.streams.order)
        state.epoch_began = now(device) - state.train_seconds
        for inputs, labels in feed(state, data.train, pixels, order, recipe.batch_size):
            step = state.running.images // recipe.batch_size
            epochs_done = epoch + step / steps
            state.lr = learning_rate(recipe, epochs_done, test_errors)
            set_learning_rate(state.optimizer, state.lr, epochs_done)
            loss, logits = step_once(state, inputs, labels)
            state.running.add(loss, logits, labels, share.whole)
            state.train_seconds = time.perf_counter() - state.epoch_began
            state.epoch_began += between_batches()
        state.train_seconds = now(device) - state.epoch_began
        test = tester(state, pixels, between_batches)
        scores = test(data.test)
        train_error = clean_train_error(test, data.train, config.evaluate)
        saturated = saturation(state.net, test, data.train, config.evaluate)
        evaluate_seconds = now(device) - state.epoch_began - state.train_seconds
        state.end_epoch(row_of(state, scores, train_error, evaluate_seconds) | saturated)
    if scores is None:  # interrupted after the last epoch
        scores = tester(state, pixels, between_batches)(data.test)
    net = whole_net(state, config, len(data.classes), device)
    return Outcome(status, state.history, scores, net)


def feed(
    state: State, split: Split, pixels: Pixels, order: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and labels of the batches that are left of an epoch, this process's part of each.

    All that chance decides for the epoch goes to the device before the first batch.
    """
    share, device, done = state.share, pixels.mean.device, state.running.images
    stream, epoch = state.streams.augmentation, len(state.history)
    changes = pixels.changes(len(order), stream, epoch, batch_size, share)
    left = order[done:]  # all of it, but for a run that was interrupted
    to_come = islice(changes, math.ceil(done / batch_size), None)
    loaded = batches(split, share.order(left, batch_size), share.part(batch_size), device)
    for (images, labels), change in zip(loaded, to_come, strict=True):
        share.begin(min(batch_size, len(order) - state.running.images))
        yield pixels.changed(images, change), share.labels(labels)


def ended(
    history: Sequence[Row], recipe: TrainConfig, net: nn.Module | None = None
) -> Status | None:
    """How a run with this history and net has ended; None while there is an epoch to train.

    Losses tell of the time before the last step, so that the weights after it are looked at too.
    """
    if not history:
        return None
    last = history[-1]
    if not all(0 <= last[loss] <= LARGEST_LOSS for loss in ("train_loss", "test_loss")):
        return "diverged"
    if net is not None and not finite(net):
        return "diverged"
    error = last["running_train_error" if recipe.target_pass == "running" else "train_error"]
    at_target = recipe.stop_at_target and reached(error, recipe.target_train_error)
    no_better = stalled(recipe, [row["test_error"] for row in history])
    return "finished" if at_target or no_better or len(history) == recipe.epochs else None


def row_of(state: State, scores: Scores, train_error: float | None, evaluate_seconds: float) -> Row:
    """The history's row of the epoch in hand."""
    images, share = state.running.images, state.share
    loss, wrong = share.total(state.running.loss), share.total(state.running.wrong)
    traffic = state.traffic
    return {
        "epoch": len(state.history) + 1,
        "lr": state.lr,
        "train_loss": float(loss) / images,
        "running_train_error": 100 * int(wrong) / images,
        "train_error": train_error,
        "test_loss": scores.loss,
        "test_error": scores.error,
        "top5_error": scores.top5_error,
        "train_seconds": round(state.train_seconds, 3),
        "evaluate_seconds": round(evaluate_seconds, 3),
        "images_per_second": round(images / state.train_seconds, 1),
        **(
            {"exchanged_bytes": traffic.of_all(loss.device) / traffic.steps}
            if traffic.possible
            else {}
        ),
    }


def whole_net(state: State, config: Config, num_classes: int, device: torch.device) -> nn.Module:
    """The trained net on one device, wherever its parts were trained."""
    if not state.traffic.possible:
        return state.net
    net = models.blueprint(config.model, num_classes, config.augment.crop_size)
    net.to_empty(device=device).to(memory_format=memory_format(config.train.precision, device))
    net.load_state_dict(gather(state.net))
    models.set_dropout_stream(net, state.streams.dropout)
    return net


def train_step(state: State, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Forward, backward and update on one batch; returns the mean loss and the logits."""
    with autocast(state.precision, inputs.device):
        logits = state.net(inputs)
        loss = state.share.loss(logits, labels)
    state.traffic.steps += 1
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    return loss.detach(), logits.detach()


def tester(state: State, pixels: Pixels, between: Callable[[], object]) -> Callable[..., Scores]:
    """``evaluate`` for the net in training, in its precision; its argument is the split."""

    def test(split: Split, images: int | None = None) -> Scores:
        with autocast(state.precision, pixels.mean.device):
            return evaluate(
                state.net, split, pixels, images=images, between=between, share=state.share
            )

    return test


def clean_train_error(
    test: Callable[..., Scores], split: Split, asked: EvaluateConfig
) -> float | None:
    """The training error in percent without augmentation and dropout; None: not asked for."""
    if asked.train_images == 0:
        return None
    return test(split, images=asked.train_images).error


def saturation(
    net: nn.Module, test: Callable[..., Scores], split: Split, asked: EvaluateConfig
) -> dict[str, float]:
    """``saturated_percent`` on training images, the same ones for every net; {}: not asked for."""
    if asked.saturation_images == 0:
        return {}
    return saturated_percent(net, partial(test, split, images=asked.saturation_images))


def reached(train_error: float | None, target: float | None) -> bool:
    """Whether a training error was measured, and is at or below the target."""
    return train_error is not None and target is not None and train_error <= target
