"""``alexbench gate --baseline FILE``: against a stored run of the same machine; only ever warns.

A case is stored as the ratio of its CPU time to a convolution of torch's in the same rounds, which
takes out the clock rate of the day. What is left moves by a tenth or two from job to job, so a
stored baseline can point at a regression and never prove one.
"""

import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from alexbench.bench.gate import CASES
from alexbench.bench.machine import fingerprint
from alexbench.bench.revisions import checkout
from alexbench.bench.workers import CALLS, servers, workers
from alexbench.environment import git
from alexbench.errors import BadInput
from alexbench.places import devices

THRESHOLD = 1.3
SCHEMA_VERSION = 1


def save_baseline(path: Path, device: str = "auto", rounds: int = 30) -> Path:
    """Measure the working tree and store it. Raises BadInput where the file cannot be written."""
    stored = measure_tree(device, rounds, CASES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from None
    return path


def against_baseline(path: Path, device: str = "auto", rounds: int = 30) -> pd.DataFrame:
    """A row a case: stored and present ratio to the calibration, and pass or warn.

    Raises BadInput for a file that is none or of another machine.
    """
    stored = load_baseline(path)
    (device, *_) = devices(device)
    here = machine(device)
    if differing := [key for key in here if stored["machine"].get(key) != here[key]]:
        facts = "; ".join(f"{k} {stored['machine'].get(k)}, here {here[k]}" for k in differing)
        raise BadInput(
            f"{path}: is of another machine ({facts}): compare with --base, or save anew"
        )
    present = measure_tree(device, rounds, [case for case in CASES if case in stored["ratios"]])
    rows = []
    for case, now in present["ratios"].items():
        ratio = now / stored["ratios"][case]
        more = [
            counter
            for counter, value in present["counters"][case].items()
            if value > stored["counters"][case].get(counter, value)
        ]
        word = "warn" if ratio > THRESHOLD or more else "pass"
        rows.append({"case": case, "ratio": ratio, "counters_up": ", ".join(more), "verdict": word})
    return pd.DataFrame(rows)


def load_baseline(path: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
        if stored["schema_version"] == SCHEMA_VERSION:
            return stored
        reason = f"schema {stored['schema_version']}, this alexbench reads {SCHEMA_VERSION}"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        reason = "is no baseline: write one with alexbench gate --save FILE"
    raise BadInput(f"--baseline {path}: {reason}")


def machine(device: str) -> dict[str, Any]:
    """The fingerprint of the workers, which have one thread."""
    return {**fingerprint(torch.device(device)), "num_threads": 1}


def measure_tree(device: str, rounds: int, cases: Sequence[str]) -> dict[str, Any]:
    """Every case beside the calibration, in rounds that call both, in random order."""
    (device, *_) = devices(device)
    order = random.Random()
    named = [*cases, "calibration"]
    with (
        servers({"head": checkout()}, device) as running,
        workers(running, named, counting=True) as roles,
    ):
        worker = roles["head"]
        ratios = {}
        for case in cases:
            pairs = []
            for _ in range(rounds):
                names = order.sample([case, "calibration"], 2)
                seconds = {name: worker.seconds(name, CALLS) for name in names}
                pairs.append(seconds[case] / seconds["calibration"])
            ratios[case] = statistics.median(pairs)
        counters = {case: worker.counters[case] for case in cases}
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": machine(device),
        "commit": git("rev-parse", "HEAD"),
        "ratios": ratios,
        "counters": counters,
    }
