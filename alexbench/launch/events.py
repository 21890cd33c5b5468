"""The events of a run while it is performed, from its worker to the launcher. No torch here."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from alexbench.config.execution import Slot
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

HistoryRow = dict[str, Any]  # of one epoch
SECONDS_BETWEEN_EVENTS = 0.5


@dataclass
class Seldom:
    """Says yes at most once in so many seconds, and the first time."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    last: float = -math.inf

    def again(self) -> bool:
        """Whether it is time again."""
        now = self.clock()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


def progress(device: str) -> Seldom:
    """When a process of a run on several devices tells its progress.

    After each batch on a CPU; seldom on CUDA, where a batch takes little longer than to tell of it.
    """
    return Seldom(0.0 if device == "cpu" else SECONDS_BETWEEN_EVENTS)


@dataclass(frozen=True)
class ReadyEvent:
    """The worker has started and can take a run."""


@dataclass(frozen=True)
class ProgressEvent:
    """The run is alive. row: of its last finished epoch. steps: done since the run's start."""

    epochs: float
    images_per_second: float
    row: HistoryRow | None = None
    steps: int = 0


@dataclass(frozen=True)
class NoteEvent:
    """A line for the user."""

    line: str


@dataclass(frozen=True)
class FinishedEvent:
    """The run has its record. status and row: the record's own, and the last of its history."""

    status: str
    row: HistoryRow


@dataclass(frozen=True)
class TakenEvent:
    """Another process performs the run."""


@dataclass(frozen=True)
class StoppedEvent:
    """The run was asked to stop, and wrote a checkpoint."""


@dataclass(frozen=True)
class FailedEvent:
    """The run gave no record. fatal: every other run would fail as well."""

    reason: str
    log: str = ""
    fatal: bool = False

    def failure(self, run: Run) -> Failure:
        """The failure as the sweep reports it."""
        return Failure(run.run_id, run.variant, run.seed, self.reason, self.log)


@dataclass(frozen=True)
class DiedEvent:
    """The process ended. status: as ``subprocess`` gives it, negative for a signal."""

    status: int


Event = (
    ReadyEvent
    | ProgressEvent
    | NoteEvent
    | FinishedEvent
    | TakenEvent
    | StoppedEvent
    | FailedEvent
    | DiedEvent
)
Send = Callable[[Event], None]
Notify = Callable[[Run, Event], None]
# what a launcher gives: performs runs in slots, tells how they fare, returns those that failed
Perform = Callable[[Sequence[Run], Sequence[Slot], Notify], list[Failure]]
_CLASSES = {each.__name__: each for each in get_args(Event)}


def failed(run: Run, store: RunStore, why: str, fatal: bool = False) -> FailedEvent:
    """The event of a failed run whose log is in ``store``."""
    return FailedEvent(why, str(store.log_path(run)), fatal)


def to_json(event: Event) -> dict[str, Any]:
    """An event as JSON content."""
    return {"event": type(event).__name__, **vars(event)}


def from_json(content: dict[str, Any]) -> Event:
    """The event that ``to_json`` was given."""
    fields = dict(content)
    event: Event = _CLASSES[fields.pop("event")](**fields)
    return event
