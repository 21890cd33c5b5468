"""How far a sweep is: a live table in a terminal, a line a run elsewhere."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from alexbench.errors import printable
from alexbench.launch import events
from alexbench.launch.events import Event
from alexbench.runs.run import Run


@dataclass
class Moment:
    """The latest progress of a run in hand; errors in percent."""

    epochs: float = 0.0
    images_per_second: float = 0.0
    test_error: float | None = None
    started: float = field(default_factory=time.monotonic)


class Progress:
    """Shows the runs in hand, and how long the rest will take at the speed measured so far."""

    def __init__(self, runs: Sequence[Run], missing: Sequence[Run], failed: int = 0) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.total, self.found = len(runs), len(runs) - len(missing)
        self.what = "tuning" if runs and runs[0].purpose == "tune" else "runs"
        self.failed = failed  # when last tried; not tried again
        self.left = len(missing) - failed
        self.moments: dict[Run, Moment] = {}
        self.waited_for: set[Run] = set()
        self.finished = 0
        self.began = time.monotonic()
        self.live = Live(
            get_renderable=self.table, console=self.console, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> "Progress":
        if self.found:
            self.console.print(f"{self.found} of {self.total} {self.what} are already done")
        if self.failed:
            self.say(f"{self.failed} failed before: left alone, --retry-failed tries them again")
        if self.left and self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.live.stop()

    def notify(self, run: Run, event: Event) -> None:
        """Take one event of a run."""
        if isinstance(event, events.TakenEvent) and run not in self.waited_for:
            self.waited_for.add(run)
            self.say(f"{name(run)}  another process has it in hand: waited for")
        if isinstance(event, events.NoteEvent):
            self.say(f"{name(run)}  {event.line}")
        if isinstance(event, events.ProgressEvent):
            moment = self.moments.setdefault(run, Moment())
            moment.epochs, moment.images_per_second = event.epochs, event.images_per_second
            moment.test_error = event.row["test_error"] if event.row else None
        if isinstance(event, events.TakenEvent | events.StoppedEvent):
            self.moments.pop(run, None)
        if isinstance(event, events.FinishedEvent | events.FailedEvent):
            if isinstance(event, events.FailedEvent) and event.fatal:
                return  # the error that ends the sweep says it
            self.finished += 1
            moment = self.moments.pop(run) if run in self.moments else Moment()
            seconds = time.monotonic() - moment.started
            self.say(f"{self.count()}  {name(run)}  {outcome(event)}  {seconds:.0f} s")

    def say(self, line: str) -> None:
        """Print a line above the live table, with control characters as escapes."""
        self.console.print(printable(line), soft_wrap=True, markup=False)

    def count(self) -> str:
        """How many runs are done, of how many."""
        done = f"{self.found + self.finished:>{len(str(self.total))}}/{self.total}"
        return f"{self.what} {done}"

    def seconds_left(self) -> float | None:
        """Estimated from the share of the work done since the start; None before there is any."""
        share = self.finished + sum(
            moment.epochs / run.config.train.epochs for run, moment in list(self.moments.items())
        )
        elapsed = time.monotonic() - self.began
        return elapsed / share * (self.left - share) if share else None

    def table(self) -> Table:
        """The live table: a row a run in hand."""
        left = self.seconds_left()
        table = Table(title=f"{self.count()}, {duration(left)} left", title_justify="left")
        for heading in ("run", "epoch", "test_error", "images_per_second"):
            table.add_column(heading, justify="left" if heading == "run" else "right")
        for run, moment in list(self.moments.items()):
            error = "" if moment.test_error is None else f"{moment.test_error:.1f}"
            epoch = f"{moment.epochs:.1f}/{run.config.train.epochs}"
            table.add_row(name(run), epoch, error, f"{moment.images_per_second:.0f}")
        return table


def name(run: Run) -> str:
    """A run as a line names it: variant, seed, and the learning rate that is tried."""
    tried = f" lr {run.config.train.lr:g}" if run.purpose == "tune" else ""
    return f"{run.variant} seed {run.seed}{tried}"


def outcome(event: events.FinishedEvent | events.FailedEvent) -> str:
    """How a run ended, in words."""
    if isinstance(event, events.FailedEvent):
        return f"failed: {event.reason} (log: {event.log})"
    if event.status == "diverged":
        return "diverged"
    row = event.row
    speed = f"{row['images_per_second']:.0f} images/s"
    return f"test_error {row['test_error']:.1f}  epoch {row['epoch']}  {speed}"


def duration(seconds: float | None) -> str:
    """A duration as 12 s, 3 min or 2.5 h; ? for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
