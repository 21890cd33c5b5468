"""Processes that hold one revision each, and rounds of calls that go to all of them in turn."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from alexbench.bench.verdict import Rounds
from alexbench.errors import RunFailed

SCRIPT = Path(__file__).with_name("gate_worker.py")
CALLS = 10  # in a sample
ROLES = ("base", "base_again", "head")


# One thread, so that its CPU time is all the work. malloc keeps what it has: by default it returns
# large blocks to the system, in some processes and not in others of the same code, and the page
# faults of the former were measured to double the time of a kernel.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "PYTHONHASHSEED": "0",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}


class Worker:
    """One revision in a process of its own."""

    def __init__(self, tree: Path, device: str, cases: Sequence[str], counting: bool) -> None:
        self.tree, words = tree, {True: "counting", False: "timing"}
        self.process = subprocess.Popen(
            [*(sys.executable, "-P", str(SCRIPT), device, ",".join(cases)), words[counting]],
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(tree)},
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.counters: dict[str, dict[str, int]] = {}

    def greet(self) -> None:
        """Wait until it is ready. Raises RunFailed, also where it runs some other tree."""
        greeting = self.read()
        if Path(greeting["package"]).resolve() != self.tree.resolve():
            raise RunFailed(f"gate: {self.tree} was to be measured, got {greeting['package']}")
        self.counters = greeting["counters"]

    def seconds(self, case: str, calls: int) -> float:
        assert self.process.stdin is not None
        print(json.dumps({"case": case, "calls": calls}), file=self.process.stdin, flush=True)
        return float(self.read()["seconds"])

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RunFailed(f"gate: the process of {self.tree} ended, its message is above")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(
    trees: dict[str, Path], device: str, cases: Sequence[str], counting: Sequence[str] = ()
) -> Iterator[dict[str, Worker]]:
    """A worker for each role, ready; ended afterwards whatever happens. counting: these roles."""
    with ExitStack() as stack:
        workers = {}
        for role, tree in trees.items():
            workers[role] = Worker(tree, device, cases, role in counting)
            stack.callback(workers[role].close)
        for worker in workers.values():
            worker.greet()
        yield workers


def run_rounds(
    workers: dict[str, Worker], case: str, rounds: int, order: random.Random, slowdown: float = 1.0
) -> Rounds:
    """Let every role run the case once a round, in random order.

    slowdown: the head makes so many times the calls; how the gate tests itself.
    """
    samples: dict[str, list[float]] = {role: [] for role in ROLES}
    for _ in range(rounds):
        for role in order.sample(ROLES, len(ROLES)):
            calls = round(CALLS * (slowdown if role == "head" else 1))
            samples[role].append(workers[role].seconds(case, calls))
    return Rounds(**samples)
