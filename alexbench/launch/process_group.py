"""The processes that train one run together on this machine: started, watched, and ended."""

import json
import os
import queue
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, replace

from alexbench.config.execution import Slot
from alexbench.config.placement import num_processes, torchrun_is_on
from alexbench.errors import ProcessLost, RunFailed
from alexbench.launch import events, torchrun
from alexbench.launch.child import Child, describe, thread_limits
from alexbench.launch.events import Event
from alexbench.parallel.group import open_store
from alexbench.runs import record
from alexbench.runs.run import Run, to_json
from alexbench.runs.store import RunStore
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.train import ProgressCallback

SECONDS_BETWEEN_LOOKS = 0.5  # whether the run is asked to stop
SECONDS_FOR_CAUSE = 5  # wait after an error for the exit of the process that caused it


class Member:
    """A process of a group, and the steps that it has made of the run in hand."""

    def __init__(
        self,
        rank: int,
        slot: Slot,
        size: int,
        port: int,
        inbox: "queue.Queue[tuple[Member, Event]]",
    ) -> None:
        self.rank, self.steps = rank, 0
        self.child = Child(
            "-m",
            "alexbench.launch.process_group_worker",
            environment=thread_limits(slot.num_threads),
            own_session=False,  # whoever kills the session of this process kills it too
            stderr=subprocess.PIPE,
        )
        own = replace(slot, device=slot.devices[rank], devices=())
        self.child.send({"slot": asdict(own), "rank": rank, "size": size, "port": port})
        self.child.start_thread(self.relay)
        self.child.listen(
            lambda message: inbox.put((self, events.from_json(message))),
            lambda status: inbox.put((self, events.DiedEvent(status))),
        )

    def relay(self) -> None:
        """Copy its stderr to the log of the run in hand, which is this process's stderr."""
        for line in self.child.process.stderr or ():
            os.write(2, line)


class WorkerGroup:
    """As many processes as a run asks for, a device each; they live for many runs."""

    def __init__(self, slot: Slot, size: int) -> None:
        self.events: queue.Queue[tuple[Member, Event]] = queue.Queue()
        self.store = open_store()
        self.runs = 0
        self.members = [
            Member(rank, slot, size, self.store.port, self.events) for rank in range(size)
        ]

    def perform(
        self, run: Run, runs: RunStore, watch: ProgressCallback, checkpoints: Checkpoints | None
    ) -> record.RunRecord:
        """Train the run. Raises ProcessLost with the rank and the step if a process ends."""
        self.runs += 1
        kept = checkpoints and {
            "folder": str(checkpoints.folder),
            "stem": checkpoints.stem,
            "seconds": checkpoints.seconds,
        }
        job = {"name": f"run {self.runs}", "run": to_json(run), "folder": str(runs.folder)}
        for member in self.members:
            member.steps = 0
            member.child.send(job | {"checkpoints": kept})
        asked_to_stop = False
        working = len(self.members)
        while working:
            if checkpoints and not asked_to_stop and checkpoints.asked_to_stop():
                asked_to_stop = True
                self.members[0].child.send({"stop": True})
            with suppress(queue.Empty):
                member, event = self.events.get(timeout=SECONDS_BETWEEN_LOOKS)
                working -= isinstance(event, events.FinishedEvent)
                self.hear(member, event, watch, checkpoints)
        return record.read(runs.record_path(run))

    def hear(
        self, member: Member, event: Event, watch: ProgressCallback, checkpoints: Checkpoints | None
    ) -> None:
        """Take one event of a process; raises if it ends the run."""
        if isinstance(event, events.ProgressEvent):
            member.steps = event.steps
            if member.rank == 0:
                history = [event.row] if event.row else []
                watch(event.epochs, event.images_per_second, history)
        elif isinstance(event, events.NoteEvent):
            if checkpoints:
                checkpoints.tell(event.line)
        elif isinstance(event, events.StoppedEvent):
            raise Stopped
        elif not isinstance(event, events.FinishedEvent):
            raise self.cause(member, event)

    def cause(self, member: Member, event: Event) -> Exception:
        """The error to raise: of a process that died, else the first error of one that lives.

        ProcessLost where one died: no fault of the run. RunFailed for what every run would meet.
        """
        until = time.monotonic() + SECONDS_FOR_CAUSE
        first = (member, event)
        while not is_cause(event):
            try:
                left = max(0.0, until - time.monotonic())
                member, event = self.events.get(timeout=left)
            except queue.Empty:
                member, event = first
                break
        where = f"rank {member.rank} of {len(self.members)}, after step {member.steps}"
        if isinstance(event, events.DiedEvent):
            return ProcessLost(f"{where}: {describe(event.status)}")
        assert isinstance(event, events.FailedEvent)
        return RunFailed(event.reason) if event.fatal else RuntimeError(f"{where}: {event.reason}")

    def stop(self) -> None:
        """End every process, whatever it is doing."""
        for member in self.members:
            member.child.end()


def is_cause(event: Event) -> bool:
    """Whether an event explains the errors of the other processes."""
    return isinstance(event, events.DiedEvent) or (
        isinstance(event, events.FailedEvent) and event.fatal
    )


_kept: dict[str, WorkerGroup] = {}  # at most one: a worker has one slot


def perform(
    run: Run, slot: Slot, runs: RunStore, watch: ProgressCallback, checkpoints: Checkpoints | None
) -> record.RunRecord:
    """Train the run by several processes, which wait for the next run if this one ends well.

    Under torchrun they are the processes that torchrun started.
    """
    if torchrun_is_on():
        return torchrun.lead(run, slot, runs, watch, checkpoints)
    size = num_processes(run.config.train)
    key = json.dumps([asdict(slot), size])
    group = _kept.pop(key, None) or WorkerGroup(slot, size)
    try:
        done = group.perform(run, runs, watch, checkpoints)
    except BaseException:
        group.stop()
        raise
    for other in _kept.values():
        other.stop()
    _kept.clear()
    _kept[key] = group
    return done
