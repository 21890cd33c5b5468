"""The local launcher: a pool of worker processes, each with its own device and threads."""

import queue
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from alexbench.config.execution import RunOptions, Slot
from alexbench.errors import RunFailed
from alexbench.launch import events
from alexbench.launch.child import Child, describe, thread_limits
from alexbench.launch.events import Event, Notify, Perform
from alexbench.launch.signals import interrupts
from alexbench.runs.run import Run, to_json
from alexbench.runs.store import Failure, RunStore

SECONDS_BETWEEN_LOOKS = 0.2  # for Ctrl-C and for hung workers
SECONDS_FOR_TRACEBACK = 1.0
SECONDS_BETWEEN_TRIES = 1.0  # at a run that another process has in hand


class Worker:
    """One process and the run that it has in hand."""

    def __init__(
        self, slot: Slot, options: RunOptions, inbox: "queue.Queue[tuple[Worker, Event]]"
    ) -> None:
        self.slot = slot
        self.run: Run | None = None
        self.heard: float | None = None  # on the monotonic clock: the last sign of life, once up
        self.hung = self.leaving = False
        self.child = Child(
            "-m", "alexbench.launch.worker", environment=thread_limits(slot.num_threads)
        )
        self.child.send({"slot": asdict(slot), "options": options.model_dump()})
        self.child.listen(
            lambda message: inbox.put((self, events.from_json(message))),
            lambda status: inbox.put((self, events.DiedEvent(status))),
        )

    def start(self, run: Run, store: RunStore) -> None:
        """Give it a run to perform."""
        self.run = run
        if self.heard is not None:
            self.heard = time.monotonic()
        self.child.send({"run": to_json(run), "folder": str(store.folder)})


class WorkerPool:
    """Workers, the runs that wait for one, and what became of the others."""

    def __init__(self, store: RunStore, options: RunOptions) -> None:
        self.store, self.options = store, options
        self.slots: Sequence[Slot] = ()  # of the runs in hand
        self.workers = list[Worker]()  # of earlier slots too, which may be asked for again
        self.events: queue.Queue[tuple[Worker, Event]] = queue.Queue()
        self.waiting = deque[Run]()
        self.taken = deque[tuple[float, Run]]()  # and when to try again
        self.failures = list[Failure]()
        self.stopped: str | None = None  # why no further run is handed out
        self.notify: Notify = lambda run, event: None

    def perform(self, runs: Sequence[Run], slots: Sequence[Slot], notify: Notify) -> list[Failure]:
        """Perform every run, one at a time in each slot; returns the failures."""
        self.waiting.extend(runs)
        self.slots, self.notify, self.failures = slots, notify, []
        with interrupts() as heard:
            while self.at_work() and len(heard) < 2:
                if heard:
                    self.stop("interrupted")
                self.hand_out()
                self.hear()
                self.kill_hung()
        if heard or self.stopped:
            raise RunFailed(self.stopped or "interrupted")
        return self.failures

    def at_work(self) -> bool:
        """Whether a run is in hand, or still to be handed out."""
        to_come = self.waiting or self.taken
        return any(worker.run for worker in self.workers) or bool(to_come and not self.stopped)

    def hand_out(self) -> None:
        """Give every worker that is idle a run; start workers for slots that have none."""
        while self.taken and self.taken[0][0] <= time.monotonic():
            self.waiting.append(self.taken.popleft()[1])
        while self.waiting and not self.stopped and (worker := self.idle_worker()):
            worker.start(self.waiting.popleft(), self.store)

    def idle_worker(self) -> Worker | None:
        """A worker without a run, started if a slot has none; None if all are at work."""
        for worker in self.workers:
            if worker.run is None and not worker.leaving and worker.slot in self.slots:
                return worker
        missing = Counter(self.slots) - Counter(worker.slot for worker in self.workers)
        if not missing:
            return None
        self.workers.append(Worker(next(iter(missing)), self.options, self.events))
        return self.workers[-1]

    def hear(self) -> None:
        """Take one event, if there is one soon."""
        try:
            worker, event = self.events.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return
        run, worker.heard = worker.run, time.monotonic()
        if isinstance(event, events.DiedEvent):
            worker.child.end()
            self.workers.remove(worker)
            event = self.after_death(worker, run, event.status) if run else event
        if run is None or isinstance(event, events.ReadyEvent):
            return
        self.notify(run, event)
        if isinstance(event, events.ProgressEvent | events.NoteEvent):
            return
        worker.run = None
        if isinstance(event, events.TakenEvent):
            self.taken.append((time.monotonic() + SECONDS_BETWEEN_TRIES, run))
        if isinstance(event, events.StoppedEvent):
            worker.leaving = True
            self.waiting.append(run)
        if isinstance(event, events.FailedEvent):
            self.failures.append(event.failure(run))
            if event.fatal or self.options.on_error == "stop":
                self.stop(f"{run.variant}, seed {run.seed}: {event.reason}")

    def after_death(self, worker: Worker, run: Run, status: int) -> Event:
        """What the death of a worker means for the run that it had in hand."""
        if self.store.is_done(run):
            return events.TakenEvent()  # it died after the record; the next worker reads it
        if self.stopped or status == -signal.SIGTERM:
            return events.StoppedEvent()
        hung = f"no step within {self.options.hang_seconds:g} seconds: killed"
        reason = hung if worker.hung else describe(status)
        with self.store.lock(run) as mine:
            if mine:
                self.store.write_failure(run, reason)
        return events.failed(run, self.store, reason)

    def stop(self, reason: str) -> None:
        """Let every worker finish its step and write a checkpoint."""
        if self.stopped is None:
            self.stopped = reason
            for worker in self.workers:
                worker.child.process.terminate()

    def kill_hung(self) -> None:
        """Kill the workers that gave no sign of life for too long."""
        for worker in self.workers:
            if worker.run is None or worker.heard is None:
                continue
            silent = time.monotonic() - worker.heard
            if silent > self.options.hang_seconds and not worker.hung:
                worker.hung = True
                worker.child.process.send_signal(signal.SIGABRT)  # its log then says where it hung
            if silent > self.options.hang_seconds + SECONDS_FOR_TRACEBACK:
                worker.child.process.kill()


@contextmanager
def launch(store: RunStore, options: RunOptions, soon: Sequence[Slot] = ()) -> Iterator[Perform]:
    """Gives the function that performs runs; its workers live until the block ends.

    soon: where the first runs will be; workers get ready there while the caller reads its data.
    A run that another process has in hand is waited for. The function raises RunFailed where the
    sweep ends early: interrupted, a failure that would meet every run (a full disk), or the first
    failure with on_error ``stop``; runs in hand leave a checkpoint, unless interrupted twice.
    """
    pool = WorkerPool(store, options)
    pool.workers = [Worker(slot, options, pool.events) for slot in soon]
    try:
        yield pool.perform
    finally:
        for worker in pool.workers:
            worker.child.end()
