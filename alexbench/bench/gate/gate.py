"""``alexbench gate``: has throughput regressed? Base and head in one job, the noise beside them.

Absolute times differ by half from one job to the next on shared machines, and even ratios to a
reference program do. So three processes run in turn, in random order: the base, the base again,
and the head. What the two equal ones show is the noise.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alexbench.bench.gate.processes import GateWorker, run_rounds, servers, workers
from alexbench.bench.gate.revisions import check_clean, is_tree, revision_tree
from alexbench.bench.gate.verdict import FLOORS, Rounds, Verdict, judge
from alexbench.config.paths import PACKAGE
from alexbench.errors import BadInput, RunFailed
from alexbench.launch.slots import devices

CASES = ("lrn_auto", "lrn_banded", "augment", "step_cifar4", "step_alexnet_small")
LOOKS = 3  # at a suspicious case; each repeat doubles the rounds so far


@dataclass(frozen=True)
class GateReport:
    """timings: a row a case. counters: a row for each count that differs."""

    timings: pd.DataFrame
    counters: pd.DataFrame
    skipped: tuple[str, ...]  # cases whose API the base does not have

    def lines(self) -> list[str]:
        """The lines to print after the tables."""
        verdicts = self.timings["verdict"]
        lines = [f"not in the base, not compared: {name}" for name in self.skipped]
        for name in self.timings["case"][verdicts == "inconclusive"]:
            lines.append(f"INCONCLUSIVE: {name}: too noisy here to say; not counted as a failure")
        counts = ", ".join(f"{(verdicts == w).sum()} {w}" for w in ("pass", "fail", "inconclusive"))
        return [*lines, f"throughput: {counts}; {len(self.more)} counter(s) went up"]

    @property
    def more(self) -> pd.DataFrame:
        """The counters that are higher in the head."""
        return self.counters[self.counters["head"] > self.counters["base"]]

    def raise_for_failures(self) -> None:
        """Raises RunFailed with one line where something got slower or does more."""
        slow = self.timings[self.timings["verdict"] == "fail"]
        found = [f"{row.case} is {row.ratio:.2f} times as slow" for row in slow.itertuples()]
        found += [
            f"{row.case} has {row.counter} {row.head} after {row.base}"
            for row in self.more.itertuples()
        ]
        if found:
            raise RunFailed(f"throughput gate: {'; '.join(found)}")


def gate(
    base: str,
    device: str = "auto",
    rounds: int = 40,
    cases: Sequence[str] = CASES,
    allow_dirty: bool = False,
    repository: Path | None = None,
) -> GateReport:
    """Compare the working tree with a git revision of it. Raises BadInput and RunFailed.

    base: a revision, or the path of another tree, which needs no git.
    rounds: of the first look. A suspected regression gets as many again, and then twice as many.
    """
    if rounds < 5:
        raise BadInput(f"--rounds {rounds}: needs 5 or more")
    head = repository or PACKAGE.parent
    if not (allow_dirty or is_tree(base)):
        check_clean(head)
    (device, *_) = devices(device)
    with revision_tree(base, head) as base_tree:
        return compare(base_tree, head, device, rounds, cases)


def compare(
    base: Path,
    head: Path,
    device: str,
    rounds: int,
    cases: Sequence[str],
    slowdown: float = 1.0,
    seed: int | None = None,
) -> GateReport:
    """Compare two trees; ``slowdown`` and ``seed`` are for the gate's test of itself.

    Processes of the same code differ too, in where their memory lies for one: each look has new
    ones.
    """
    order, floor = random.Random(seed), FLOORS[device.partition(":")[0]]
    seen: dict[str, list[Rounds]] = {}
    verdicts: dict[str, Verdict] = {}
    counters: list[tuple[str, str, int, int]] = []
    pending = list(cases)
    with servers({"base": base, "head": head}, device) as running:
        for number in range(LOOKS):
            with workers(running, pending, counting=number == 0) as roles:
                if number == 0:
                    pending = cases_of(roles, cases)
                    counters = [row for case in pending for row in counter_rows(case, roles)]
                for case in pending:
                    batches = seen.setdefault(case, [])
                    more = rounds * max(1, 2 ** (number - 1))  # as many as all before
                    batches.append(run_rounds(roles, case, more, order, slowdown))
                    verdicts[case] = judge(batches, floor)
            pending = [case for case in pending if verdicts[case].word != "pass"]
            if not pending:
                break
    timings = [timing_row(case, verdicts[case], seen[case]) for case in seen]
    return GateReport(
        pd.DataFrame(timings),
        pd.DataFrame(counters, columns=["case", "counter", "base", "head"]),
        tuple(case for case in cases if case not in seen),
    )


def cases_of(roles: dict[str, GateWorker], cases: Sequence[str]) -> list[str]:
    """The cases that base and head both have. Raises RunFailed for one that the head lacks."""
    if lost := [case for case in cases if case not in roles["head"].counters]:
        raise RunFailed(f"gate: the head cannot run {', '.join(lost)}: see bench/gate/worker.py")
    return [case for case in cases if case in roles["base"].counters]


def timing_row(case: str, verdict: Verdict, batches: Sequence[Rounds]) -> dict[str, object]:
    return {
        "case": case,
        "ratio": verdict.ratio,
        "ratio_low": verdict.low,
        "ratio_high": verdict.high,
        "noise": verdict.noise,
        "rounds": sum(len(batch.head) for batch in batches),
        "verdict": verdict.word,
    }


def counter_rows(case: str, roles: dict[str, GateWorker]) -> Iterator[tuple[str, str, int, int]]:
    """The counts of a case that differ between base and head."""
    base, head = roles["base"].counters[case], roles["head"].counters[case]
    for counter in head:
        if base[counter] != head[counter]:
            yield case, counter, base[counter], head[counter]
