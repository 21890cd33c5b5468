"""Where a training run stands: all that its next step depends on, and how to come back to it."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from alexbench.data.share import IGNORED, BatchShare
from alexbench.parallel.collectives import Traffic
from alexbench.training.optimizer import Optimizer
from alexbench.training.random_streams import Streams
from alexbench.training.weights import gather, gather_slots, scatter, scatter_slots

Row = dict[str, Any]


@dataclass
class Running:
    """Sums over the batches of an epoch, kept on the device so that no batch waits for a number."""

    loss: Tensor
    wrong: Tensor
    images: int = 0  # of the epoch's order, the first so many are done: the position in the epoch

    @classmethod
    def on(cls, device: torch.device) -> "Running":
        """Sums that are zero, on that device."""
        wrong = torch.zeros((), dtype=torch.int64, device=device)
        return cls(torch.zeros((), device=device), wrong)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, images: int) -> None:
        """Add a batch of so many images, of which this process may have seen a part."""
        self.loss += loss * images
        self.wrong += ((logits.argmax(1) != labels) & (labels != IGNORED)).sum()

    def start_anew(self) -> None:
        """Be zero, at the same addresses: a recorded step adds to them."""
        self.loss.zero_()
        self.wrong.zero_()
        self.images = 0


@dataclass(frozen=True)
class Positions:
    """Where the streams are that an epoch draws from before its first batch."""

    order: Tensor
    augmentation: Tensor


def positions(streams: Streams) -> Positions:
    """Where these streams are now."""
    return Positions(streams.order.get_state(), streams.augmentation.get_state())


@dataclass
class State:
    """A run between two steps; the epoch in hand is the one after those in ``history``."""

    net: nn.Module
    optimizer: Optimizer
    streams: Streams
    running: Running
    share: BatchShare = field(default_factory=BatchShare)
    traffic: Traffic = field(default_factory=Traffic)
    history: list[Row] = field(default_factory=list)
    train_seconds: float = 0.0  # of the epoch in hand
    epoch_began: float = 0.0  # on the host's clock, moved on by all time that is not a step's
    lr: float = 0.0  # of the last step
    precision: str = "ieee"
    # where the epoch in hand, once it has begun, found the streams that it draws from
    found: Positions = field(init=False)

    def __post_init__(self) -> None:
        self.found = positions(self.streams)

    def end_epoch(self, row: Row) -> None:
        """Put the epoch in hand into the history; its sums are zero then."""
        self.history.append(row)
        self.running.start_anew()
        self.traffic.sent_bytes = self.traffic.steps = 0
        self.train_seconds = 0.0


def capture(state: State) -> dict[str, Any]:
    """All of a state as tensors, numbers and texts; shares memory with it.

    The learning rate's schedule is a function of the position and of the history, and needs no
    state of its own; what the epoch in hand has drawn is drawn again from its streams. Weights and
    sums are those of the whole net and of all its processes, so that any placement can go on from
    them. Collective: every process calls it.
    """
    return {
        "net": gather(state.net) | dict(state.net.named_buffers()),
        "optimizer": gather_slots(state.net, state.optimizer),
        "streams": {
            "weights": state.streams.weights,
            "order": state.found.order,
            "augmentation_of_epoch": state.found.augmentation,
            "dropout": state.streams.dropout.get_state(),
        },
        "running": {
            "loss": state.share.total(state.running.loss),
            "wrong": state.share.total(state.running.wrong),
            "images": state.running.images,
            "sent_bytes": state.traffic.of_all(state.running.loss.device),
            "steps": state.traffic.steps,
        },
        "history": state.history,
        "train_seconds": state.train_seconds,
        "lr": state.lr,
    }


def restore(state: State, content: dict[str, Any]) -> None:
    """Bring a state that was just started to where ``capture`` was called.

    Raises for what is not a state of this run, and may then have changed a part.
    """
    now = capture(state)
    if content.keys() != now.keys() or content["streams"].keys() != now["streams"].keys():
        raise ValueError("other parts than a checkpoint has")
    if content["streams"]["weights"] != state.streams.weights:
        raise ValueError("another seed")
    if shapes(content["net"]) != shapes(now["net"]):
        raise ValueError("another net")
    scatter_slots(state.net, state.optimizer, content["optimizer"])
    scatter(state.net, content["net"])
    for name, buffer in state.net.named_buffers():
        buffer.copy_(content["net"][name])
    streams = content["streams"]
    state.streams.order.set_state(streams["order"])
    state.streams.augmentation.set_state(streams["augmentation_of_epoch"])
    state.streams.dropout.set_state(streams["dropout"])
    state.found = positions(state.streams)
    if state.share.rank == 0:  # the sums of the others start anew
        state.running.loss.copy_(content["running"]["loss"])
        state.running.wrong.copy_(content["running"]["wrong"])
    state.running.images = content["running"]["images"]
    state.traffic.resume(content["running"]["sent_bytes"], content["running"]["steps"])
    state.history[:] = content["history"]
    state.train_seconds, state.lr = content["train_seconds"], content["lr"]


def shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shape and data type of each tensor."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def now(device: torch.device) -> float:
    """Seconds on the host's clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
