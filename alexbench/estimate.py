"""What a sweep would cost, before it is started: sizes, and seconds from a short probe."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from alexbench import models
from alexbench.averages import trainings
from alexbench.config import Ablation, with_tuned
from alexbench.perform import load_data
from alexbench.plan import Run
from alexbench.progress import duration
from alexbench.schema import Config
from alexbench.sweep import Sweep
from alexbench.train import start, train_step
from alexbench.tuning import tune
from alexbench.unfinished import missing

PROBE_IMAGES = 32
PROBE_STEPS = 3
EVALUATION_COST = 1 / 3  # of training on the same image: the forward pass alone


@dataclass(frozen=True)
class Cost:
    """Of one run of a variant."""

    parameters: int
    flops: int  # forward, one image
    seconds: float


class ToTune(Exception):
    """There are tuning runs without a record: their number."""


def settled(sweep: Sweep) -> tuple[Ablation, int]:
    """The ablation with what tuning chose, and how many tuning runs must be made before it can."""

    def execute(runs: Sequence[Run]) -> None:
        if left := missing(runs, sweep.folder):
            raise ToTune(len(left))

    try:
        chosen = tune(sweep.ablation, sweep.identity, sweep.folder, execute, lambda _: None)
    except ToTune as pending:
        return with_tuned(sweep.ablation, sweep.ablation.tuned), int(pending.args[0])
    return with_tuned(sweep.ablation, chosen), 0


def rows(sweep: Sweep, ablation: Ablation) -> pd.DataFrame:
    """A row a variant: runs done and to do, parameters, FLOPs, seconds of a run."""
    planned = trainings(ablation, sweep.identity, sweep.folder)
    left = missing(planned, sweep.folder)
    table = []
    for name, config in ablation.variants.items():
        cost = probe(config, sweep)
        to_do = sum(run.variant == name for run in left)
        table.append(
            {
                "variant": name,
                "done": sum(run.variant == name for run in planned) - to_do,
                "to_do": to_do,
                "epochs": config.train.epochs,
                "parameters": cost.parameters,
                "flops": cost.flops,
                "run_seconds": round(cost.seconds),
            }
        )
    return pd.DataFrame(table)


def total(table: pd.DataFrame, tuning: int, sweep: Sweep) -> str:
    """One line: how many runs are to be trained, and how long that takes in these places."""
    seconds = float((table["to_do"] * table["run_seconds"]).sum())
    seconds += tuning * float(table["run_seconds"].mean())
    jobs = len(sweep.places)
    return (
        f"{int(table['to_do'].sum())} runs to train, after {tuning} to tune: about "
        f"{duration(seconds / jobs)} with {jobs} job(s) on {sweep.places[0].device}"
    )


def on_one_device(config: Config) -> Config:
    train = config.train.model_copy(update={"placement": "one", "replicas": 1})
    return config.model_copy(update={"train": train})


def probe(config: Config, sweep: Sweep) -> Cost:
    """Parameters, FLOPs, and the time of a run from a few training steps on empty images."""
    place = sweep.places[0]
    data = load_data(config.data, place.data_root)
    side, device = config.augment.crop_size, torch.device(place.device)
    net = models.blueprint(config.model, len(data.classes), side)
    parameters, flops = models.count(net, side)
    torch.set_num_threads(place.num_threads)
    state = start(on_one_device(config), len(data.classes), 0, device)
    inputs = torch.zeros(PROBE_IMAGES, 3, side, side, device=device)
    inputs = inputs.to(memory_format=torch.channels_last)
    labels = torch.zeros(PROBE_IMAGES, dtype=torch.int64, device=device)
    best = float("inf")
    for _ in range(PROBE_STEPS):
        began = time.perf_counter()
        float(train_step(state, inputs, labels)[0])  # reading the loss waits for the device
        best = min(best, time.perf_counter() - began)
    train_images = len(data.train.labels)
    clean = config.evaluate.train_images
    evaluated = len(data.test.labels) + (train_images if clean is None else clean)
    images = config.train.epochs * (train_images + EVALUATION_COST * evaluated)
    return Cost(parameters, flops, best / PROBE_IMAGES * images)
