"""What can be asked of a record: every metric by name, with its unit and how it is compared.

A run that diverged has the errors of guessing (so that an arm that diverges pays for it), never
reaches a target, and has no generalisation gap.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from alexbench import specialisation
from alexbench.record import RunRecord

Kind = Literal["difference", "ratio", "time_to_target"]

EARLY_SHARE = 0.1  # of the epochs: what early_train_error averages over
CONVERGED_BAND = 0.05  # of the way from guessing to the final error


@dataclass(frozen=True)
class Reading:
    """The value of a metric in one run; NaN: not measured; censored: at least this much."""

    value: float
    censored: bool = False


MISSING = Reading(math.nan)


@dataclass(frozen=True)
class Metric:
    """How a metric is read and compared.

    Arms are compared by the difference of their values, by their ratio, or as times to an event
    that a run may never reach. ``timing``: depends on the machine, so that only runs of one
    machine make a pair. ``exact``: counted and not measured, so that there is nothing to test.
    ``tunes``: what tuning can minimise, on the images of the training or of the test.
    """

    name: str
    unit: str
    kind: Kind
    read: Callable[[RunRecord], Reading]
    title: str
    timing: bool = False
    exact: bool = False
    tunes: Literal["training", "test"] | None = None


def names() -> list[str]:
    """Return every metric that an ablation may ask for."""
    return list(METRICS)


def read(name: str, record: RunRecord) -> Reading:
    """Return the value of metric ``name`` in ``record``."""
    return METRICS[name].read(record)


def is_per_example(name: str) -> bool:
    """Say whether ``name`` counts the images that ``record.correct`` holds (for McNemar)."""
    return name == "test_error"


def guessing_error(record: RunRecord, top: int = 1) -> float:
    """Return the error in percent of guessing ``top`` of the classes."""
    classes = len(record.data["classes"])
    return 100 * (1 - min(top, classes) / classes)


def train_errors(record: RunRecord) -> list[float | None]:
    """Return the training error of each epoch: of the clean pass, else the running average."""
    key = "train_error" if _has(record, "train_error") else "running_train_error"
    return [row.get(key) for row in record.history]


def _has(record: RunRecord, key: str) -> bool:
    return bool(record.history) and record.history[-1].get(key) is not None


def _last(key: str, guessing: Callable[[RunRecord], float]) -> Callable[[RunRecord], Reading]:
    def read_last(record: RunRecord) -> Reading:
        if record.status == "diverged":
            return Reading(guessing(record))
        return Reading(_final(record, key))

    return read_last


def _final(record: RunRecord, key: str) -> float:
    """Return the value of the final test: its own where it averaged views or nets, else that of
    the last epoch."""
    return _number(record.measurements.get(key, record.history[-1].get(key)))


def _test_accuracy(record: RunRecord) -> Reading:
    return Reading(100 - _last("test_error", guessing_error)(record).value)


def _train_error(record: RunRecord) -> Reading:
    if record.status == "diverged":
        return Reading(guessing_error(record))
    return Reading(_number(train_errors(record)[-1]))


def _generalisation_gap(record: RunRecord) -> Reading:
    if record.status == "diverged":
        return MISSING
    tested = _number(record.history[-1].get("test_error"))  # on the centre, as the training images
    return Reading(tested - _train_error(record).value)


def _early_train_error(record: RunRecord) -> Reading:
    epochs = max(1, math.ceil(EARLY_SHARE * int(record.config["train"]["epochs"])))
    errors = [_number(error) for error in train_errors(record)[:epochs]]
    if record.status == "diverged":  # what is missing after the divergence is guessing
        errors = [guessing_error(record) if math.isnan(error) else error for error in errors]
        errors += [guessing_error(record)] * (epochs - len(errors))
    return Reading(math.fsum(errors) / len(errors)) if errors else MISSING


def _epochs_to_target(record: RunRecord) -> Reading:
    target = record.config["train"]["target_train_error"]
    if target is None or target >= guessing_error(record):  # met before the first step
        return MISSING
    epoch = _crossing(train_errors(record), target, guessing_error(record))
    if epoch is None:
        reached = record.config["train"]["epochs"] if _diverged(record) else len(record.history)
        return Reading(float(reached), censored=True)
    return Reading(epoch)


def _seconds_to_target(record: RunRecord) -> Reading:
    """Seconds of training alone; inside an epoch they run evenly."""
    epochs = _epochs_to_target(record)
    seconds = [_number(row.get("train_seconds")) for row in record.history]
    if math.isnan(epochs.value) or not seconds:
        return MISSING
    if epochs.value > len(seconds):  # diverged: what the whole budget would have taken
        return Reading(math.fsum(seconds) / len(seconds) * epochs.value, epochs.censored)
    whole = int(epochs.value)
    begun = (epochs.value - whole) * seconds[whole] if whole < len(seconds) else 0.0
    return Reading(math.fsum(seconds[:whole]) + begun, epochs.censored)


def _crossing(errors: list[float | None], target: float, before: float) -> float | None:
    """Return the first epoch, interpolated, at which ``errors`` is at or below ``target``.

    ``errors[0]`` was measured after epoch 1; ``before`` is the error before training.
    """
    earlier = before
    for index, value in enumerate(errors):
        error = _number(value)
        if error <= target:
            return index + (earlier - target) / (earlier - error) if earlier > target else index
        if not math.isnan(error):
            earlier = error
    return None


def _epochs_to_converge(record: RunRecord) -> Reading:
    """The epoch at which the test error comes within 5% of the way down from guessing to its
    final level, and that level is the mean over the last tenth of the epochs.

    The curve is smoothed by a running mean of 3 epochs. A run was still on its way, and is
    censored, if it comes so near only in that last tenth, or if the line through the last third of
    its epochs falls by more than that band. So is a run that diverged.
    """
    budget = float(record.config["train"]["epochs"])
    if _diverged(record):
        return Reading(budget, censored=True)
    errors = [_number(row["test_error"]) for row in record.history]
    last = max(1, math.ceil(0.1 * len(errors)))
    final = math.fsum(errors[-last:]) / last
    smooth = [
        math.fsum(near) / len(near)
        for near in (errors[max(0, i - 1) : i + 2] for i in range(len(errors)))
    ]
    guessing = guessing_error(record)
    if final >= guessing:  # it learned nothing
        return Reading(budget, censored=True)
    band = CONVERGED_BAND * (guessing - final)
    epoch = _crossing(list(smooth), final + band, guessing)
    end = len(errors) - last
    if epoch is None or epoch > end or _fall(errors[-max(2, len(errors) // 3) :]) > band:
        return Reading(float(max(end, 1)), censored=True)
    return Reading(epoch)


def _fall(errors: Sequence[float]) -> float:
    """By how much the least squares line through ``errors`` falls from the first to the last."""
    steps = len(errors) - 1
    return -steps * statistics.linear_regression(range(steps + 1), errors).slope if steps else 0.0


def _median_of(key: str) -> Callable[[RunRecord], Reading]:
    def read_median(record: RunRecord) -> Reading:
        values = sorted(v for row in record.history if (v := row.get(key)) is not None)
        if not values:
            return MISSING
        middle = len(values) // 2
        return Reading((values[middle] + values[-1 - middle]) / 2)

    return read_median


def _measured(key: str) -> Callable[[RunRecord], Reading]:
    return lambda record: Reading(_number(record.measurements.get(key)))


def _specialisation(record: RunRecord) -> Reading:
    """How much further apart the columns are in colour than kernels dealt out by chance."""
    by_kernel = record.measurements.get("kernel_saturations")
    if not by_kernel:
        return MISSING
    return Reading(specialisation.gap(by_kernel) - specialisation.shuffled_gap(by_kernel))


def _exchanged_megabytes(record: RunRecord) -> Reading:
    if all("exchanged_bytes" not in row for row in record.history):
        return Reading(0.0)  # on one device there is nobody to exchange with
    return Reading(_median_of("exchanged_bytes")(record).value / 1e6)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _diverged(record: RunRecord) -> bool:
    return record.status == "diverged"


_ALL = [
    Metric(
        "test_error",
        "%",
        "difference",
        _last("test_error", guessing_error),
        "test error",
        tunes="test",
    ),
    Metric(
        "top5_error",
        "%",
        "difference",
        _last("top5_error", lambda record: guessing_error(record, 5)),
        "top-5 test error",
        tunes="test",
    ),
    Metric("test_accuracy", "%", "difference", _test_accuracy, "test accuracy"),
    Metric("train_error", "%", "difference", _train_error, "training error", tunes="training"),
    Metric(
        "generalisation_gap", "%", "difference", _generalisation_gap, "test minus training error"
    ),
    Metric(
        "early_train_error",
        "%",
        "difference",
        _early_train_error,
        "training error over the first tenth of the epochs",
        tunes="training",
    ),
    Metric(
        "test_loss",
        "nats",
        "difference",
        _last("test_loss", lambda record: math.log(len(record.data["classes"]))),
        "test loss",
        tunes="test",
    ),
    Metric(
        "epochs_to_target",
        "epochs",
        "time_to_target",
        _epochs_to_target,
        "epochs to the target training error",
        tunes="training",
    ),
    Metric(
        "seconds_to_target",
        "s",
        "time_to_target",
        _seconds_to_target,
        "seconds to the target training error",
        timing=True,
        tunes="training",
    ),
    Metric(
        "epochs_to_converge",
        "epochs",
        "time_to_target",
        _epochs_to_converge,
        "epochs to converge",
        tunes="test",
    ),
    Metric("step_seconds", "s", "ratio", _measured("step_seconds"), "seconds a step", timing=True),
    Metric(
        "epoch_seconds", "s", "ratio", _median_of("train_seconds"), "seconds an epoch", timing=True
    ),
    Metric(
        "images_per_second",
        "images/s",
        "ratio",
        _median_of("images_per_second"),
        "training images a second",
        timing=True,
    ),
    Metric(
        "peak_memory_bytes",
        "bytes",
        "ratio",
        _measured("peak_memory_bytes"),
        "peak memory",
        timing=True,
    ),
    Metric(
        "exchanged_megabytes",
        "MB",
        "difference",
        _exchanged_megabytes,
        "exchanged between devices a step",
        exact=True,
    ),
    Metric(
        "specialisation",
        "%",
        "difference",
        _specialisation,
        "gap in colour saturation between the columns, above chance",
    ),
    Metric(
        "parameters",
        "",
        "ratio",
        lambda record: Reading(float(record.model["parameters"])),
        "parameters",
        exact=True,
    ),
    Metric(
        "flops",
        "",
        "ratio",
        lambda record: Reading(float(record.model["flops"])),
        "FLOPs of the forward pass of an image",
        exact=True,
    ),
]
METRICS = {metric.name: metric for metric in _ALL}
