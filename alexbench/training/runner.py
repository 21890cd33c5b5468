"""One run from its plan to its record: load the data, train, measure, write."""

import functools
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import nn

from alexbench import models
from alexbench.config import constraints
from alexbench.config.execution import Slot
from alexbench.config.schema import ModelConfig
from alexbench.data import Dataset, HeldSplit, Pixels, describe, load_data
from alexbench.parallel.placed import ALONE, ProcessGroup
from alexbench.runs import ensembles, outputs, pictures, record
from alexbench.runs.kernel_colour import saturations
from alexbench.runs.run import Run
from alexbench.runs.store import RunStore
from alexbench.training import environment, numerics
from alexbench.training.checkpoint import Checkpoints
from alexbench.training.evaluate import Scores, evaluate
from alexbench.training.memory import peak_memory_bytes
from alexbench.training.predictions import check_pictured, predict
from alexbench.training.telemetry import HERTZ_IN_A_RUN, Telemetry, add_readings, reader
from alexbench.training.train import Outcome, ProgressCallback, train, warm_up

PICTURED = 12  # test images
TUNING_SHARE = 6  # one training image of so many is a test image when a value is tuned


def perform(
    run: Run,
    slot: Slot,
    store: RunStore,
    on_progress: ProgressCallback,
    checkpoints: Checkpoints | None = None,
    group: ProcessGroup = ALONE,
) -> record.RunRecord:
    """Train the run, from its last checkpoint if there is one, and write its record.

    group: the processes that train it together. Raises Stopped where the run was asked to stop.
    """
    if run.config.train.placement == "two":
        group = replace(group, devices=tuple(map(torch.device, slot.devices)))
    device = torch.device(slot.device)
    numerics.prepare(run.config.train, device)
    data = load_data(run.config.data, slot.data_root)
    check_pictured(run.config.evaluate, data)
    if run.hold_back:
        data = held_back(data)
    where = environment.describe(device, run.config.train, slot.jobs)
    if device.type == "cuda":  # no epoch pays for the start of libraries, nor for the images
        warm_up(run.config, len(data.classes), len(data.train.labels), device, group)
        for split in (data.train, data.test):
            if isinstance(split, HeldSplit):
                split.on(device)
    with Telemetry(reader(device), HERTZ_IN_A_RUN) as telemetry:
        outcome = train(run.config, data, run.seed, device, on_progress, checkpoints, group)
    add_readings(where, telemetry.readings)
    if group.rank:  # the first process writes
        return make_record(run, data, outcome, outcome.scores, device, where)
    still_here = functools.partial(on_progress, len(outcome.history), 0.0, outcome.history)
    if run.purpose == "measure" and run.seed == 0 and outcome.status == "finished":
        taken = take_pictures(run, data, outcome.net, device, still_here)
        pictures.write(taken, store.folder, data.source)
    scores, kept = final_test(run, data, outcome, device, still_here)
    if kept:
        outputs.write(kept, data.test.labels.numpy(), store.outputs_path(run))
    done = make_record(run, data, outcome, scores, device, where)
    record.write(done, store.record_path(run))  # last: a run with a record is never done again
    if checkpoints:
        checkpoints.remove()
    return done


def take_pictures(
    run: Run,
    data: Dataset,
    net: nn.Module,
    device: torch.device,
    between: Callable[[], object] = lambda: None,
) -> pictures.Pictures:
    """Pictures of conv1's kernels, and of some test images with the net's predictions."""
    layout = numerics.memory_format(run.config.train.precision, device)
    pixels = Pixels(data.train, run.config.data, run.config.augment, device, layout)
    shown = run.config.evaluate.pictured or range(min(PICTURED, len(data.test.labels)))
    images = run.config.evaluate.train_images
    with numerics.autocast(run.config.train.precision, device):
        examples, searched = predict(net, data, pixels, torch.tensor(shown), images, between)
    return pictures.Pictures(
        run_id=run.run_id,
        variant=run.variant,
        seed=run.seed,
        kernels=first_kernels(net),
        examples=examples,
        searched=searched,
    )


def first_kernels(net: nn.Module) -> list[str]:
    """Pictures of the kernels of the first layer that reads colours; none of a net without one."""
    weights = (weight for weight in net.parameters() if weight.dim() == 4 and weight.shape[1] == 3)
    first = next(weights, None)
    return [] if first is None else pictures.kernels_to_png(first.detach().cpu().numpy())


def kernel_saturations(model: ModelConfig, net: nn.Module) -> record.Measurements:
    """The colour saturation of conv1's kernels in a net with columns; {} for other nets."""
    if model.name not in constraints.EIGHT_LAYERS or model.columns == "one_column":
        return {}
    kernels = net.get_parameter("conv1.weight").detach().cpu().numpy()
    return {"kernel_saturations": [round(each, 3) for each in saturations(kernels)]}


def held_back(data: Dataset) -> Dataset:
    """The data set for tuning, without its test images.

    A random sixth of the training images, equal for all runs, becomes the test split.
    """
    order = torch.randperm(len(data.train.labels), generator=torch.Generator().manual_seed(0))
    size = len(order) // TUNING_SHARE
    return replace(data, train=data.train.take(order[size:]), test=data.train.take(order[:size]))


def final_test(
    run: Run,
    data: Dataset,
    outcome: Outcome,
    device: torch.device,
    between: Callable[[], object],
) -> tuple[Scores, dict[str, np.ndarray]]:
    """The net's scores on the views that the run asks for, and the outputs that it keeps."""
    own = run.config.evaluate.views
    if outcome.status == "diverged" or (own == "centre" and not run.keep_views):
        return outcome.scores, {}
    layout = numerics.memory_format(run.config.train.precision, device)
    pixels = Pixels(data.train, run.config.data, run.config.augment, device, layout)
    with numerics.autocast(run.config.train.precision, device):
        found = {
            views: evaluate(outcome.net, data.test, pixels, views, keep=True, between=between)
            for views in {own, *run.keep_views}
        }
    kept = {views: found[views].probabilities for views in run.keep_views}
    return found[own], {views: each.numpy() for views, each in kept.items() if each is not None}


def steps_an_epoch(run: Run, data: Dataset) -> int:
    """How many batches an epoch has. data: as loaded, before tuning holds images back."""
    images = len(data.train.labels)
    if run.hold_back:
        images -= images // TUNING_SHARE
    return -(-images // run.config.train.batch_size)


def make_record(
    run: Run,
    data: Dataset,
    outcome: Outcome,
    scores: Scores,
    device: torch.device,
    where: record.Environment,
) -> record.RunRecord:
    """The record of a run. Its history has the errors on the centre of each image; if the final
    test averages views, its scores are among the measurements."""
    finished = outcome.status == "finished"
    views = run.config.evaluate.views
    labels, predicted = data.test.labels.cpu().numpy(), scores.predicted.numpy()
    parameters, flops = models.count(outcome.net, run.config.augment.crop_size)
    steps = -(-len(data.train.labels) // run.config.train.batch_size)
    seconds = [row["train_seconds"] for row in outcome.history]
    measurements: record.Measurements = {
        "train_seconds": sum(seconds),
        "step_seconds": statistics.median(seconds) / steps,
        "peak_memory_bytes": peak_memory_bytes(outcome.net, run.config, device),
    }
    if finished and views != "centre":
        measurements |= {
            "views": views,
            "test_loss": scores.loss,
            "test_error": scores.error,
            "top5_error": scores.top5_error,
        }
    measurements |= kernel_saturations(run.config.model, outcome.net)
    return record.RunRecord(
        schema_version=record.SCHEMA_VERSION,
        run_id=run.run_id,
        ablation=run.ablation,
        profile=run.profile,
        variant=run.variant,
        seed=run.seed,
        purpose=run.purpose,
        status=outcome.status,
        config=run.config.model_dump(mode="json"),
        data=describe(data, run.config.augment),
        model={"parameters": parameters, "flops": flops},
        tuned=run.tuned,
        history=cast(list[record.HistoryRow], outcome.history),
        correct=record.pack_correct(scores.correct.numpy()) if finished else "",
        confusion=ensembles.confusion(labels, predicted, len(data.classes)) if finished else None,
        measurements=measurements,
        environment=where,
        files=run.files,
    )
