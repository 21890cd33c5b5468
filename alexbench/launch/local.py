"""A pool of worker processes on this machine, each with a device and threads of its own."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from alexbench.config.execution import RunOptions, Slot
from alexbench.errors import RunFailed
from alexbench.launch.events import Event, Notify, Perform, failed
from alexbench.launch.signals import Interrupts
from alexbench.runs.run import Run, to_json
from alexbench.runs.store import Failure, RunStore

SECONDS_BETWEEN_LOOKS = 0.2  # for Ctrl-C and for hung workers
SECONDS_FOR_TRACEBACK = 1.0
SECONDS_BETWEEN_TRIES = 1.0  # at a run that another process has in hand


class Worker:
    """One process and the run that it has in hand."""

    def __init__(
        self, slot: Slot, how: RunOptions, events: "queue.Queue[tuple[Worker, Event]]"
    ) -> None:
        threads = str(slot.num_threads)
        self.slot = slot
        self.run: Run | None = None
        self.heard: float | None = None  # on the monotonic clock: the last sign of life, once up
        self.hung = self.leaving = False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "alexbench.launch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which decides
            env=os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        )
        self.send({"slot": asdict(slot), "how": how.model_dump()})
        self.listener = threading.Thread(target=self.listen, args=(events,), daemon=True)
        self.listener.start()

    def send(self, content: dict[str, object]) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died: the listener says so
            self.process.stdin.write((json.dumps(content) + "\n").encode())
            self.process.stdin.flush()

    def listen(self, events: "queue.Queue[tuple[Worker, Event]]") -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.endswith(b"\n"):  # else: cut short by its death
                events.put((self, json.loads(line)))
        events.put((self, {"kind": "died", "status": self.process.wait()}))

    def start(self, run: Run, store: RunStore) -> None:
        self.run = run
        if self.heard is not None:
            self.heard = time.monotonic()
        self.send({"run": to_json(run), "folder": str(store.folder)})

    def kill(self) -> None:
        """End the process, whatever it is doing, and those that decode images for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert pipe
                pipe.close()


class Pool:
    """Workers, the runs that wait for one, and what became of the others."""

    def __init__(self, store: RunStore, how: RunOptions) -> None:
        self.store, self.how = store, how
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
        with Interrupts() as interrupts:
            while self.at_work() and interrupts.count < 2:
                if interrupts.count:
                    self.stop("interrupted")
                self.hand_out()
                self.hear()
                self.kill_hung()
        if interrupts.count or self.stopped:
            raise RunFailed(self.stopped or "interrupted")
        return self.failures

    def at_work(self) -> bool:
        to_come = self.waiting or self.taken
        return any(worker.run for worker in self.workers) or bool(to_come and not self.stopped)

    def hand_out(self) -> None:
        """Give every worker that is idle a run; start workers for slots that have none."""
        while self.taken and self.taken[0][0] <= time.monotonic():
            self.waiting.append(self.taken.popleft()[1])
        while self.waiting and not self.stopped and (worker := self.idle_worker()):
            worker.start(self.waiting.popleft(), self.store)

    def idle_worker(self) -> Worker | None:
        for worker in self.workers:
            if worker.run is None and not worker.leaving and worker.slot in self.slots:
                return worker
        missing = Counter(self.slots) - Counter(worker.slot for worker in self.workers)
        if not missing:
            return None
        self.workers.append(Worker(next(iter(missing)), self.how, self.events))
        return self.workers[-1]

    def hear(self) -> None:
        """Take one event, if there is one soon."""
        try:
            worker, event = self.events.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return
        run, worker.heard = worker.run, time.monotonic()
        if event["kind"] == "died":
            worker.kill()
            self.workers.remove(worker)
            event = self.after_death(worker, run, event["status"]) if run else event
        if run is None or event["kind"] == "ready":
            return
        self.notify(run, event)
        if event["kind"] in ("progress", "note"):
            return
        worker.run = None
        if event["kind"] == "taken":
            self.taken.append((time.monotonic() + SECONDS_BETWEEN_TRIES, run))
        if event["kind"] == "stopped":
            worker.leaving = True
            self.waiting.append(run)
        if event["kind"] == "failed":
            self.failed(run, event)

    def after_death(self, worker: Worker, run: Run, status: int) -> Event:
        """What the death of a worker means for the run that it had in hand."""
        if self.store.is_done(run):
            return {"kind": "taken"}  # it died after the record; the next worker reads it
        if self.stopped or status == -signal.SIGTERM:
            return {"kind": "stopped"}
        hung = f"no step within {self.how.hang_seconds:g} seconds: killed"
        reason = hung if worker.hung else describe(status)
        with self.store.lock(run) as mine:
            if mine:
                self.store.write_failure(run, reason)
        return failed(run, self.store, reason)

    def failed(self, run: Run, event: Event) -> None:
        self.failures.append(
            Failure(run.run_id, run.variant, run.seed, event["reason"], event["log"])
        )
        if event["fatal"] or self.how.on_error == "stop":
            self.stop(f"{run.variant}, seed {run.seed}: {event['reason']}")

    def stop(self, reason: str) -> None:
        """Let every worker finish its step and write a checkpoint."""
        if self.stopped is None:
            self.stopped = reason
            for worker in self.workers:
                worker.process.terminate()

    def kill_hung(self) -> None:
        """Kill the workers that gave no sign of life for too long."""
        for worker in self.workers:
            if worker.run is None or worker.heard is None:
                continue
            silent = time.monotonic() - worker.heard
            if silent > self.how.hang_seconds and not worker.hung:
                worker.hung = True
                worker.process.send_signal(signal.SIGABRT)  # its log then says where it hung
            if silent > self.how.hang_seconds + SECONDS_FOR_TRACEBACK:
                worker.process.kill()


def describe(status: int) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed (signal 9): was the machine out of memory?"
    if status < 0:
        return f"its process ended by signal {-status} ({signal.Signals(-status).name})"
    return f"its process ended with status {status}"


@contextmanager
def launch(store: RunStore, how: RunOptions, soon: Sequence[Slot] = ()) -> Iterator[Perform]:
    """Gives the function that performs runs; its workers live until the block ends.

    soon: where the first runs will be; workers get ready there while the caller reads its data.
    A run that another process has in hand is waited for. The function raises RunFailed where the
    sweep ends early: interrupted, a failure that would meet every run (a full disk), or the first
    failure with on_error ``stop``; runs in hand leave a checkpoint, unless interrupted twice.
    """
    pool = Pool(store, how)
    pool.workers = [Worker(slot, how, pool.events) for slot in soon]
    try:
        yield pool.perform
    finally:
        for worker in pool.workers:
            worker.kill()
