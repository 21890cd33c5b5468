"""One run: a configuration, a data set and a seed -> a history and the final scores."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn

from alexbench import models
from alexbench.config.schema import Config, EvaluateConfig, TrainConfig
from alexbench.data import Batch, Dataset, HeldSplit, Pixels, Split, batches
from alexbench.data.augment import Change
from alexbench.parallel.group import from_first
from alexbench.parallel.placed import ALONE, ProcessGroup, distribute
from alexbench.runs.sections import LARGEST_LOSS
from alexbench.training.checkpoint import Checkpoints
from alexbench.training.evaluate import Scores, evaluate
from alexbench.training.numerics import autocast, memory_format
from alexbench.training.optimizer import build_optimizer, learning_rate, set_learning_rate, stalled
from alexbench.training.random_streams import spawn
from alexbench.training.recorded import WARM_STEPS, recorded
from alexbench.training.saturation import saturated_percent
from alexbench.training.state import Positions, Row, Running, State, now, positions
from alexbench.training.weights import finite, gather

# called after each batch: epochs done with their fraction, training images a second, the history
ProgressCallback = Callable[[float, float, Sequence[Row]], None]
Status = Literal["finished", "diverged"]
TIMED_SECONDS, MOST_TIMED_STEPS = 0.2, 50  # of ``warm_up``


@dataclass(frozen=True)
class Drawn:
    """All that chance decides for an epoch before its first step."""

    order: Tensor  # of the training images; on the CPU
    changes: Iterator[Change]  # of each batch; on the device
    found: Positions  # of the streams, before


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
    """Seconds of a step of a net that is thrown away, on blank images, as the run will take it.

    The steps before it start CUDA, compile kernels, look for algorithms and record the graph, for
    an epoch's shorter last batch as well: no run's time has them. count: training images.
    """
    recipe, side = config.train, config.data.image_size
    whole = min(count, recipe.batch_size)
    blank = torch.zeros(whole, side, side, 3, dtype=torch.uint8)
    split = HeldSplit(blank, torch.zeros(whole, dtype=torch.int64))
    layout = memory_format(recipe.precision, device)
    pixels = Pixels(split, config.data, config.augment, device, layout)
    state = start(config, num_classes, 0, device, group)
    step_once = recorded(partial(learn, pixels), recipe, state, device)

    def seconds(steps: int, last: int = 0) -> float:
        drawn = draw_epoch(state, pixels, steps * whole + last, whole)
        drawn = replace(drawn, order=drawn.order % whole)
        began = now(device)
        for batch in feed(state, split, drawn, whole):
            step_once(state, batch)
            state.running.images += state.share.whole
        state.running.start_anew()
        return now(device) - began

    state.net.train()
    seconds(WARM_STEPS + 1, count % whole)
    most = max(1, min(int(TIMED_SECONDS / seconds(1)), MOST_TIMED_STEPS))
    steps = from_first(group.rank, group.size, lambda: most)  # as many in each process
    return seconds(steps) / steps


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
    a result, not an error. With checkpoints it goes on where it was, on a CPU to the same bits; of
    three replicas or more to rounding, as the order of their sums begins anew.
    group: the processes that train it together; all of them call this, and have one outcome.
    """
    recipe, count = config.train, len(data.train.labels)
    layout = memory_format(recipe.precision, device)
    pixels = Pixels(data.train, config.data, config.augment, device, layout)
    begin = partial(start, config, len(data.classes), seed, device, group)
    state = checkpoints.resume(begin) if checkpoints else begin()
    step_once = recorded(partial(learn, pixels), recipe, state, device)
    scores, upcoming = None, None

    def between_batches() -> float:
        """Report progress; write a checkpoint or stop if it is time. Seconds that this took."""
        speed = state.running.images / state.train_seconds if state.train_seconds else 0.0
        on_progress(len(state.history) + state.running.images / count, speed, state.history)
        return checkpoints.keep(state) if checkpoints else 0.0

    while not (status := ended(state.history, recipe, state.net)):
        state.net.train()
        epoch, steps = len(state.history), math.ceil(count / recipe.batch_size)
        test_errors = [row["test_error"] for row in state.history]
        drawn = upcoming or draw_epoch(state, pixels, count, recipe.batch_size, epoch)
        state.found = drawn.found
        state.epoch_began = now(device) - state.train_seconds
        for batch in feed(state, data.train, drawn, recipe.batch_size):
            step = state.running.images // recipe.batch_size
            epochs_done = epoch + step / steps
            state.lr = learning_rate(recipe, epochs_done, test_errors)
            set_learning_rate(state.optimizer, state.lr, epochs_done)
            step_once(state, batch)
            state.running.images += state.share.whole
            state.train_seconds = time.perf_counter() - state.epoch_began
            state.epoch_began += between_batches()
        if epoch + 1 < recipe.epochs:  # while a GPU is at the steps that wait for it
            upcoming = draw_epoch(state, pixels, count, recipe.batch_size, epoch + 1)
        state.train_seconds = now(device) - state.epoch_began
        test = tester(state, pixels, between_batches)
        scores = test(data.test)
        train_error = clean_train_error(test, data.train, config.evaluate)
        saturated = saturation(state.net, test, data.train, config.evaluate)
        evaluate_seconds = now(device) - state.epoch_began - state.train_seconds
        state.end_epoch(row_of(state, scores, train_error, evaluate_seconds) | saturated)
    assert scores is not None  # no checkpoint has a history that has ended
    net = whole_net(state, config, len(data.classes), device)
    return Outcome(status, state.history, scores, net)


def draw_epoch(state: State, pixels: Pixels, count: int, batch_size: int, epoch: int = 0) -> Drawn:
    """Draw the order of so many images, and what becomes of them, which is sent to the device."""
    found = positions(state.streams)
    order = torch.randperm(count, generator=state.streams.order)
    stream = state.streams.augmentation
    return Drawn(order, pixels.changes(count, stream, epoch, batch_size, state.share), found)


def feed(state: State, split: Split, drawn: Drawn, batch_size: int) -> Iterator[Batch]:
    """The batches that are left of an epoch, this process's part of each, on the device."""
    share, device, done = state.share, state.running.loss.device, state.running.images
    left = drawn.order[done:]  # all of it, but for a run that was interrupted
    to_come = islice(drawn.changes, math.ceil(done / batch_size), None)
    loaded = batches(split, share.order(left, batch_size), share.part(batch_size), device)
    for (images, labels), change in zip(loaded, to_come, strict=True):
        share.begin(min(batch_size, len(drawn.order) - state.running.images))
        yield Batch(images, share.labels(labels), change)


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


def learn(pixels: Pixels, state: State, batch: Batch) -> None:
    """A step from stored images to the epoch's sums: all that a GPU does for a batch."""
    inputs = pixels.changed(batch.images, batch.change)
    loss, logits = train_step(state, inputs, batch.labels)
    state.running.add(loss, logits, batch.labels, state.share.whole)


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
