"""What is told of runs while they are performed, wherever that is. No torch here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alexbench.execution import Place
from alexbench.plan import Run
from alexbench.unfinished import Failure, log_of

Event = dict[str, Any]
Send = Callable[[Event], None]
Notify = Callable[[Run, Event], None]
# what a launcher gives: performs runs in places, tells how they fare, returns those that failed
Perform = Callable[[Sequence[Run], Sequence[Place], Notify], list[Failure]]


def failed(run: Run, folder: Path, why: str, fatal: bool = False) -> Event:
    """fatal: every other run would fail as well."""
    log = str(log_of(run, folder))
    return {"kind": "failed", "reason": why, "log": log, "fatal": fatal}
