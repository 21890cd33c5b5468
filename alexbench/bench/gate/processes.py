"""Child processes with one revision each, and rounds of calls to all of them in turn."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from alexbench.bench.gate.verdict import Rounds
from alexbench.errors import RunFailed
from alexbench.launch.child import Child, describe

SCRIPT = Path(__file__).with_name("worker.py")
CALLS = 10  # in a sample
CALLS_OF = {"checkpoint": 4}  # which waits for the disk
CLOCKS = ("work", "wall")  # CPU or device time; what a user waits for
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


class Server:
    """A revision, imported once: forks a process for each role and passes messages to it.

    scratch: the folder for what the cases write.
    """

    def __init__(self, tree: Path, device: str, scratch: str) -> None:
        self.tree = tree
        environment = {**ENVIRONMENT, "PYTHONPATH": str(tree), "TMPDIR": scratch}
        self.child = Child(str(SCRIPT), device, environment=environment, folder=tree)

    def ask(self, **request: object) -> dict[str, Any]:
        """The answer. Raises RunFailed where the process is gone; its stderr says why."""
        self.child.send(request)
        try:
            reply: dict[str, Any] = self.child.hear()
        except EOFError:
            why = describe(self.child.process.wait())
            raise RunFailed(f"gate: {self.tree}: {why}, its message is above") from None
        return reply


class GateWorker:
    """A role: a fork of a revision's server, with its cases made and counted."""

    def __init__(self, server: Server, role: str, cases: Sequence[str], counting: bool) -> None:
        self.server, self.role = server, role
        greeting = server.ask(open=role, cases=list(cases), counting=counting)
        if Path(greeting["package"]).resolve() != server.tree.resolve():
            raise RunFailed(f"gate: wanted the package of {server.tree}, got {greeting['package']}")
        self.counters: dict[str, dict[str, int]] = greeting["counters"]
        self.broken: dict[str, str] = greeting["broken"]  # case -> why it cannot be run

    def seconds(self, case: str, calls: int) -> dict[str, float]:
        """Seconds of so many calls of a case, by each of CLOCKS."""
        return self.server.ask(role=self.role, case=case, calls=calls)

    def close(self) -> None:
        """End the fork."""
        self.server.ask(close=self.role)


@contextmanager
def servers(trees: dict[str, Path], device: str) -> Iterator[dict[str, Server]]:
    """A server for each name, ended afterwards whatever happens."""
    with ExitStack() as stack:
        started = {}
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="alexbench-gate-"))
        for name, tree in trees.items():
            started[name] = Server(tree, device, scratch)
            stack.callback(started[name].child.end)
        yield started


@contextmanager
def workers(
    running: dict[str, Server], cases: Sequence[str], counting: bool = False
) -> Iterator[dict[str, GateWorker]]:
    """A new worker for each role. Equal code needs counting once, so base_again never does."""
    forks = {
        role: GateWorker(
            running[role.removesuffix("_again")], role, cases, counting and role in running
        )
        for role in (*running, "base_again")
        if role.removesuffix("_again") in running
    }
    yield forks
    for fork in forks.values():
        fork.close()


def run_rounds(
    roles: dict[str, GateWorker],
    case: str,
    rounds: int,
    order: random.Random,
    slowdown: float = 1.0,
) -> dict[str, Rounds]:
    """Let every role run the case once a round, in random order; the rounds by each of CLOCKS.

    slowdown: the head makes so many times the calls; how the gate tests itself.
    """
    samples: dict[str, list[dict[str, float]]] = {role: [] for role in ROLES}
    for _ in range(rounds):
        for role in order.sample(ROLES, len(ROLES)):
            calls = round(CALLS_OF.get(case, CALLS) * (slowdown if role == "head" else 1))
            samples[role].append(roles[role].seconds(case, calls))
    return {
        clock: Rounds(**{role: [each[clock] for each in samples[role]] for role in ROLES})
        for clock in CLOCKS
    }
