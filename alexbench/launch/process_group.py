"""The processes that train one run together on this machine: started, watched, and ended."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from alexbench.config.execution import Slot
from alexbench.config.placement import num_processes, torchrun_is_on
from alexbench.errors import ProcessLost, RunFailed
from alexbench.launch import torchrun
from alexbench.parallel.group import open_store
from alexbench.runs import record
from alexbench.runs.run import Run, to_json
from alexbench.runs.store import RunStore
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.train import ProgressCallback

Event = dict[str, Any]
SECONDS_BETWEEN_LOOKS = 0.5  # whether the run is asked to stop
SECONDS_TO_CONFESS = 5  # for the process that died, once others complain of it


@dataclass
class Rank:
    """A process of a crew, and the last that was heard of it."""

    number: int
    process: "subprocess.Popen[str]"
    steps: int = 0
    threads: list[threading.Thread] = field(default_factory=list)

    def send(self, content: dict[str, Any]) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it died: the listener says so
            self.process.stdin.write(json.dumps(content) + "\n")
            self.process.stdin.flush()


class Crew:
    """As many processes as a run asks for, a device each; they live for many runs."""

    def __init__(self, slot: Slot, size: int) -> None:
        self.events: queue.Queue[tuple[Rank, Event]] = queue.Queue()
        self.store = open_store()
        self.runs = 0
        self.ranks = [Rank(number, start(slot)) for number in range(size)]
        for rank in self.ranks:
            own = replace(slot, device=slot.devices[rank.number], devices=())
            who = {"slot": asdict(own), "rank": rank.number, "size": size}
            rank.send(who | {"port": self.store.port})
            for target, arguments in ((self.listen, rank), (relay, rank.process.stderr)):
                rank.threads.append(threading.Thread(target=target, args=(arguments,), daemon=True))
                rank.threads[-1].start()

    def listen(self, rank: Rank) -> None:
        assert rank.process.stdout
        for line in rank.process.stdout:
            if line.endswith("\n"):  # else: cut short by its death
                self.events.put((rank, json.loads(line)))
        self.events.put((rank, {"kind": "died", "reason": how_it_ended(rank.process.wait())}))

    def perform(
        self, run: Run, runs: RunStore, watch: ProgressCallback, checkpoints: Checkpoints | None
    ) -> record.RunRecord:
        """Train the run; raises ProcessLost with the rank and the step if a process ends."""
        self.runs += 1
        job: Event = {"name": f"run {self.runs}", "run": to_json(run), "folder": str(runs.folder)}
        job["checkpoints"] = None
        if checkpoints:
            kept = {"folder": str(checkpoints.folder), "stem": checkpoints.stem}
            job["checkpoints"] = kept | {"seconds": checkpoints.seconds}
        for rank in self.ranks:
            rank.steps = 0
            rank.send(job)
        asked_to_stop = False
        working = len(self.ranks)
        while working:
            if checkpoints and not asked_to_stop and checkpoints.asked_to_stop():
                asked_to_stop = True
                self.ranks[0].send({"stop": True})
            with suppress(queue.Empty):
                rank, event = self.events.get(timeout=SECONDS_BETWEEN_LOOKS)
                working -= event["kind"] == "finished"
                self.hear(rank, event, watch, checkpoints.tell if checkpoints else ignore)
        return record.read(runs.record_path(run))

    def hear(
        self, rank: Rank, event: Event, watch: ProgressCallback, tell: Callable[[str], None]
    ) -> None:
        """One event of a process; raises if it ends the run."""
        if event["kind"] == "progress":
            rank.steps = event["steps"]
            if rank.number == 0:
                watch(event["epochs"], event["images_per_second"], event["history"])
        elif event["kind"] == "note":
            tell(event["line"])
        elif event["kind"] == "stopped":
            raise Stopped
        elif event["kind"] != "finished":
            raise self.cause(rank, event)

    def cause(self, rank: Rank, event: Event) -> Exception:
        """What to tell: that a process died, or else the first complaint of one that lives.

        ProcessLost where one died: no fault of the run. RunFailed for what every run would meet.
        """
        until = time.monotonic() + SECONDS_TO_CONFESS
        first = (rank, event)
        while event["kind"] != "died" and not event.get("fatal") and time.monotonic() < until:
            try:
                rank, event = self.events.get(timeout=until - time.monotonic())
            except queue.Empty:
                break
        if event["kind"] != "died" and not event.get("fatal"):
            rank, event = first
        if event.get("fatal"):
            return RunFailed(event["reason"])
        where = f"rank {rank.number} of {len(self.ranks)}"
        if event["kind"] == "died":
            return ProcessLost(f"{where} {event['reason']} after step {rank.steps}")
        return RuntimeError(f"{where}, after step {rank.steps}: {event['reason']}")

    def stop(self) -> None:
        """End every process, whatever it is doing."""
        for rank in self.ranks:
            rank.process.kill()
            for thread in rank.threads:
                thread.join()
            for pipe in (rank.process.stdin, rank.process.stdout, rank.process.stderr):
                with suppress(BrokenPipeError):
                    assert pipe
                    pipe.close()


def ignore(line: str) -> None:
    """For a run that nobody hears of."""


def start(slot: Slot) -> "subprocess.Popen[str]":
    threads = str(slot.num_threads)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "alexbench.launch.process_group_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
    )


def relay(lines: Iterable[str]) -> None:
    """What a process complains of goes to the log of the run in hand."""
    for line in lines:
        os.write(2, line.encode())


def how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"


_crews: dict[str, Crew] = {}  # at most one: a worker has one slot


def perform(
    run: Run, slot: Slot, runs: RunStore, watch: ProgressCallback, checkpoints: Checkpoints | None
) -> record.RunRecord:
    """Train the run by a crew of processes, which wait for the next run if this one ends well.

    Under torchrun it is the processes that torchrun started.
    """
    if torchrun_is_on():
        return torchrun.lead(run, slot, runs, watch, checkpoints)
    size = num_processes(run.config.train)
    key = json.dumps([asdict(slot), size])
    crew = _crews.pop(key, None) or Crew(slot, size)
    try:
        done = crew.perform(run, runs, watch, checkpoints)
    except BaseException:
        crew.stop()
        raise
    for other in _crews.values():
        other.stop()
    _crews.clear()
    _crews[key] = crew
    return done
