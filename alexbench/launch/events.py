"""What is told of runs while they are performed, wherever that is. No torch here."""

from collections.abc import Callable, Sequence
from typing import Any

from alexbench.config.execution import Slot
from alexbench.runs.run import Run
from alexbench.runs.store import Failure, RunStore

Event = dict[str, Any]
Send = Callable[[Event], None]
Notify = Callable[[Run, Event], None]
# what a launcher gives: performs runs in slots, tells how they fare, returns those that failed
Perform = Callable[[Sequence[Run], Sequence[Slot], Notify], list[Failure]]


def failed(run: Run, store: RunStore, why: str, fatal: bool = False) -> Event:
    """fatal: every other run would fail as well."""
    log = str(store.log_path(run))
    return {"kind": "failed", "reason": why, "log": log, "fatal": fatal}
