"""The cost of a sweep before it starts: sizes of the nets, and seconds from a short probe."""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import pandas as pd
import torch

from alexbench import models
from alexbench.analysis.comparison import comparison
from alexbench.config.ablation import Ablation, with_tuned
from alexbench.config.schema import Config
from alexbench.data import load_data
from alexbench.launch.progress import duration
from alexbench.launch.sweep import Sweep, check_own_code
from alexbench.runs.ensembles import trainings
from alexbench.runs.record import RunRecord
from alexbench.runs.run import Run
from alexbench.runs.store import Standing
from alexbench.runs.tuning import tune, widened
from alexbench.training import environment, numerics
from alexbench.training.memory import gpu_bytes, peak_memory_bytes, step_bytes
from alexbench.training.train import start, train_step, warm_up

PROBE_IMAGES = 32
PROBE_STEPS = 3
# of all probes of a plan but the first, which starts libraries; on CUDA a small net's seconds are
# not as its FLOPs, so that few variants may go without a probe
PROBE_SECONDS = {"cpu": 1.0, "cuda": 20.0}
Found = dict[Run, RunRecord | None]
EVALUATION_COST = 1 / 3  # of training on the same image: the forward pass alone


@dataclass(frozen=True)
class Estimate:
    """The expected cost of one run of a variant."""

    parameters: int
    flops: int  # forward, one image
    memory_bytes: float  # of a training step
    seconds: float


class ToTune(Exception):
    """Tuning runs without a record: their number."""


def settled(sweep: Sweep) -> tuple[Ablation, int]:
    """The ablation with the tuned values, and the number of tuning runs still to train for them."""

    def execute(runs: Sequence[Run]) -> None:
        if left := len(runs) - len(sweep.store.known(runs)):
            raise ToTune(left)

    try:
        chosen = tune(sweep.ablation, sweep.identity, sweep.store, execute, lambda _: None)
    except ToTune as pending:
        return with_tuned(sweep.ablation, sweep.ablation.tuned), int(pending.args[0])
    ablation = with_tuned(sweep.ablation, chosen)
    while (wider := widened(ablation, sweep.identity, sweep.store)) != ablation:
        ablation = wider
    return ablation, 0


def done_and_not(sweep: Sweep, ablation: Ablation) -> Found:
    """Every run to train, with its record if this or another ablation has one."""
    planned = trainings(ablation, sweep.identity, sweep.store)
    records = sweep.store.known(planned)
    return {run: records.get(run) for run in planned}


def rows(sweep: Sweep, ablation: Ablation, found: Found) -> pd.DataFrame:
    """A row a run: its state, size, seconds, and the number of runs at one time.

    Raises BadInput for own parts that cannot train.
    """
    check_own_code(sweep)
    done = {run: record for run, record in found.items() if record is not None}
    states = sweep.store.standings(found, done)
    costs = estimate(sweep, ablation, list(done.values()))
    return pd.DataFrame(
        [
            {
                "variant": run.variant,
                "seed": run.seed,
                "state": state,
                "epochs": run.config.train.epochs,
                "parameters": costs[run.variant].parameters,
                "flops": costs[run.variant].flops,
                "memory_bytes": costs[run.variant].memory_bytes,
                "seconds": costs[run.variant].seconds,
                "jobs": len(sweep.slots_for(run.config.train)),
            }
            for run, state in zip(found, states, strict=True)
        ]
    )


def estimate(
    sweep: Sweep,
    ablation: Ablation,
    records: Sequence[RunRecord],
    probe_seconds: float | None = None,
) -> dict[str, Estimate]:
    """The cost of a run of each variant: from its records, else from a short probe.

    After ``probe_seconds`` from the first probe's end no further variant is probed; its seconds
    follow from its FLOPs. None: PROBE_SECONDS of the device.
    """
    if probe_seconds is None:
        probe_seconds = PROBE_SECONDS[torch.device(sweep.slots[0].device).type]
    costs = {variant: cost for variant in ablation.variants if (cost := seen(variant, records))}
    began, rates = math.inf, list[float]()
    for variant, config in ablation.variants.items():
        if variant in costs:
            continue
        size, images = sizes(config, sweep), images_of(config, sweep)
        if rates and time.perf_counter() - began > probe_seconds:
            seconds = statistics.median(rates) * size.flops * images
            classes = len(load_data(config.data, sweep.slots[0].data_root).classes)
            memory = step_bytes(on_one_device(config), classes)
            costs[variant] = replace(size, memory_bytes=memory, seconds=seconds)
        else:
            costs[variant] = probe(config, sweep, size, images)
            rates.append(costs[variant].seconds / (size.flops * images))
            began = min(began, time.perf_counter())
    return costs


def seen(variant: str, records: Sequence[RunRecord]) -> Estimate | None:
    """The median of a variant's records from a machine like this one; None without records."""
    here = environment.processor()
    own = [
        each
        for each in records
        if each.variant == variant and each.environment["processor"] == here
    ]
    if not own:
        return None
    return Estimate(
        parameters=own[0].model["parameters"],
        flops=own[0].model["flops"],
        memory_bytes=own[0].measurements["peak_memory_bytes"],
        seconds=statistics.median(
            sum(row["train_seconds"] + row["evaluate_seconds"] for row in record.history)
            for record in own
        ),
    )


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A row for runs that differ in their seeds alone, with memory in MB and time in words."""
    shown = table.drop(columns="jobs").rename(columns={"memory_bytes": "memory", "seconds": "time"})
    shown["memory"] = [f"{each / 1e6:.0f} MB" for each in table["memory_bytes"]]
    shown["time"] = [duration(each) for each in table["seconds"]]
    alike = [name for name in shown.columns if name != "seed"]
    folded = shown.groupby(alike, sort=False, dropna=False)["seed"].agg(seeds_of).reset_index()
    return folded[list(shown.columns)].rename(columns={"seed": "seeds", "time": "time each"})


def seeds_of(seeds: "pd.Series[int]") -> str:
    """``0 to 3`` for seeds in a row, ``0, 2`` for others; ``0 to 3, 3 rates`` where they repeat."""
    each = sorted(set(seeds))
    in_a_row = len(each) > 2 and each == list(range(each[0], each[-1] + 1))
    said = f"{each[0]} to {each[-1]}" if in_a_row else ", ".join(map(str, each))
    return f"{said}, {len(seeds) // len(each)} rates" if len(seeds) > len(each) else said


def total(table: pd.DataFrame, tuning: int, sweep: Sweep) -> str:
    """One line: the number of runs in each state, and the time that the rest takes."""
    counts = table["state"].value_counts()
    states = [f"{counts[state]} {state}" for state in get_args(Standing) if state in counts]
    left = table[table["state"].isin(["to do", "resumable"])]
    shares = table["seconds"] / table["jobs"]  # of the time of the whole machine
    seconds = float(shares[left.index].sum()) + tuning * float(shares.mean())
    jobs = " or ".join(map(str, sorted(table["jobs"].unique())))
    return (
        f"{', '.join(states)}; {len(left)} runs to train, after {tuning} to tune: about "
        f"{duration(seconds)} with {jobs} job(s) on {sweep.slots[0].device}"
    )


def seeds_to_settle(ablation: Ablation, found: Found) -> list[str]:
    """A line for each claim with a size: the seeds for 80% power, by the spread of the pairs."""
    records = [record for record in found.values() if record is not None]
    lines = []
    for row in comparison(ablation, ablation.profile, records):
        censored = row.baseline_censored + row.variant_censored
        if row.role == "claim" and row.seeds_to_settle > row.num_pairs and not censored:
            lines.append(
                f"{row.claim}: {row.metric}, {row.variant} vs {row.baseline}: "
                f"{row.seeds_to_settle:.0f} seeds would give 80% power at the claim, by the spread "
                f"of {row.num_pairs} pairs so far"
            )
    return lines


def on_one_device(config: Config) -> Config:
    """The configuration with its net on one device."""
    train = config.train.model_copy(update={"placement": "one", "replicas": 1})
    return config.model_copy(update={"train": train})


def sizes(config: Config, sweep: Sweep) -> Estimate:
    """Parameters and FLOPs of a net, from its shapes; the rest is NaN."""
    classes = len(load_data(config.data, sweep.slots[0].data_root).classes)
    side = config.augment.crop_size
    parameters, flops = models.count(models.blueprint(config.model, classes, side), side)
    return Estimate(parameters, flops, math.nan, math.nan)


def images_of(config: Config, sweep: Sweep) -> float:
    """Images that a run trains on; an evaluated image counts EVALUATION_COST of one."""
    data = load_data(config.data, sweep.slots[0].data_root)
    train_images, clean = len(data.train.labels), config.evaluate.train_images
    evaluated = len(data.test.labels) + (train_images if clean is None else clean)
    return config.train.epochs * (train_images + EVALUATION_COST * evaluated)


def probe(config: Config, sweep: Sweep, size: Estimate, images: float) -> Estimate:
    """``size`` with the memory and seconds of a run, from a few steps on empty images.

    On CUDA from a whole batch, after others: there few images take as long as many, and the first
    steps start the libraries. A step that the run replays as a graph is replayed here too.
    """
    slot = sweep.slots[0]
    data = load_data(config.data, slot.data_root)
    side, device = config.augment.crop_size, torch.device(slot.device)
    torch.set_num_threads(slot.num_threads)
    if device.type == "cuda":
        numerics.prepare(config.train, device)
        count = len(data.train.labels)
        seconds = warm_up(on_one_device(config), len(data.classes), count, device)
        memory = gpu_bytes(config, data)
        seconds_an_image = seconds / min(count, config.train.batch_size)
        return replace(size, memory_bytes=memory, seconds=seconds_an_image * images)
    state = start(on_one_device(config), len(data.classes), 0, device)
    inputs = torch.zeros(PROBE_IMAGES, 3, side, side, device=device)
    inputs = inputs.to(memory_format=torch.channels_last)
    labels = torch.zeros(PROBE_IMAGES, dtype=torch.int64, device=device)
    best = float("inf")
    for _ in range(PROBE_STEPS):
        began = time.perf_counter()
        float(train_step(state, inputs, labels)[0])  # reading the loss waits for the device
        best = min(best, time.perf_counter() - began)
    memory = peak_memory_bytes(state.net, config, device)
    return replace(size, memory_bytes=memory, seconds=best / PROBE_IMAGES * images)
