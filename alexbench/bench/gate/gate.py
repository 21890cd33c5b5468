"""``alexbench gate``: has throughput regressed? Base and head in one job, the noise beside them.

Absolute times differ by half from one job to the next on shared machines, and even ratios to a
reference program do. So three processes run in turn, in random order: the base, the base again,
and the head. What the two equal ones show is the noise. Every case is judged by two clocks: the
work (CPU time, or time of the CUDA device), and the wall time that a user waits for.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from alexbench.bench.gate.processes import CLOCKS, GateWorker, run_rounds, servers, workers
from alexbench.bench.gate.revisions import check_clean, is_tree, revision_tree
from alexbench.bench.gate.verdict import FLOORS, Rounds, Verdict, judge
from alexbench.config.paths import PACKAGE
from alexbench.errors import BadInput, RunFailed, shown
from alexbench.launch.slots import one_device

CASES = (
    *("lrn_auto", "lrn_banded", "augment", "batches", "step_cifar4", "step_alexnet_small"),
    *("evaluation", "checkpoint"),
)
COLUMNS = ["case", "clock", "ratio", "ratio_low", "ratio_high", "noise", "rounds", "verdict"]
LOOKS = 3  # at a suspicious case; each repeat doubles the rounds so far


@dataclass(frozen=True)
class GateReport:
    """timings: a row a case and clock. counters: a row for each count that differs."""

    timings: pd.DataFrame
    counters: pd.DataFrame
    missing: dict[str, str]  # case -> why the base cannot run it
    allow_missing: bool = False

    def lines(self) -> list[str]:
        """The lines to print after the tables."""
        lines = [f"not compared: {name}: the base: {why}" for name, why in self.missing.items()]
        noisy = self.timings[self.timings["verdict"] == "inconclusive"]
        for row in noisy.itertuples():
            lines.append(
                f"INCONCLUSIVE: {row.case}, {row.clock}: too noisy here to say; "
                "not counted as a failure"
            )
        verdicts = self.timings["verdict"]
        counts = ", ".join(f"{(verdicts == w).sum()} {w}" for w in ("pass", "fail", "inconclusive"))
        return [*lines, f"throughput: {counts}; {len(self.more)} counter(s) went up"]

    @property
    def more(self) -> pd.DataFrame:
        """The counters that are higher in the head."""
        return self.counters[self.counters["head"] > self.counters["base"]]

    def raise_for_failures(self) -> None:
        """Raises RunFailed with one line where something got slower, does more, or is missing."""
        slow = self.timings[self.timings["verdict"] == "fail"]
        found = [
            f"{row.case} is {row.ratio:.2f} times as slow ({row.clock})"
            for row in slow.itertuples()
        ]
        found += [
            f"{row.case} has {row.counter} {row.head} after {row.base}"
            for row in self.more.itertuples()
        ]
        if self.missing and not self.allow_missing:
            found.append(
                f"the base cannot run {', '.join(self.missing)}: --allow-missing if that is meant"
            )
        if found:
            raise RunFailed(f"throughput gate: {'; '.join(found)}")


def gate(
    base: str,
    device: str = "auto",
    rounds: int = 40,
    cases: Sequence[str] = CASES,
    allow_dirty: bool = False,
    allow_missing: bool = False,
    repository: Path | None = None,
) -> GateReport:
    """Compare the working tree with a git revision of it. Raises BadInput and RunFailed.

    base: a revision, or the path of another tree, which needs no git.
    rounds: of the first look. A suspected regression gets as many again, and then twice as many.
    allow_missing: a case that the base cannot run is no failure.
    """
    if unknown := [case for case in cases if case not in CASES]:
        raise BadInput(f"--cases {shown(unknown[0])}: not one of {', '.join(CASES)}")
    if rounds < 5:
        raise BadInput(f"--rounds {rounds}: needs 5 or more")
    device = one_device(device)
    head = repository or PACKAGE.parent
    if not (allow_dirty or is_tree(base)):
        check_clean(head)
    with revision_tree(base, head) as base_tree:
        report = compare(base_tree, head, device, rounds, cases)
    return replace(report, allow_missing=allow_missing)


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
    seen: dict[tuple[str, str], list[Rounds]] = {}
    verdicts: dict[tuple[str, str], Verdict] = {}
    counters: list[tuple[str, str, int, int]] = []
    missing: dict[str, str] = {}
    pending = list(cases)
    with servers({"base": base, "head": head}, device) as running:
        for number in range(LOOKS):
            with workers(running, pending, counting=number == 0) as roles:
                if number == 0:
                    missing = lacking(roles)
                    pending = [case for case in pending if case not in missing]
                    counters = [row for case in pending for row in counter_rows(case, roles)]
                for case in pending:
                    more = rounds * max(1, 2 ** (number - 1))  # as many as all before
                    for clock, new in run_rounds(roles, case, more, order, slowdown).items():
                        batches = seen.setdefault((case, clock), [])
                        batches.append(new)
                        verdicts[case, clock] = judge(batches, floor)
            pending = [case for case in pending if not passed(case, verdicts)]
            if not pending:
                break
    timings = [timing_row(*key, verdicts[key], seen[key]) for key in seen]
    return GateReport(
        pd.DataFrame(timings, columns=COLUMNS),
        pd.DataFrame(counters, columns=["case", "counter", "base", "head"]),
        missing,
    )


def lacking(roles: dict[str, GateWorker]) -> dict[str, str]:
    """The cases that the base cannot run, and why. Raises RunFailed for one of the head."""
    for case, why in roles["head"].broken.items():
        raise RunFailed(f"gate: the head cannot run {case}: {why}: see bench/gate/worker.py")
    return roles["base"].broken


def passed(case: str, verdicts: dict[tuple[str, str], Verdict]) -> bool:
    """Whether a case needs no further look, by no clock."""
    return all(verdicts[case, clock].word == "pass" for clock in CLOCKS)


def timing_row(
    case: str, clock: str, verdict: Verdict, batches: Sequence[Rounds]
) -> dict[str, object]:
    """The row of a case by one clock."""
    return {
        "case": case,
        "clock": clock,
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
