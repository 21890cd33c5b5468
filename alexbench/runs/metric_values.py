"""The value of each metric in one run.

A run that diverged has the errors of guessing (so that an arm that diverges pays for it), reaches
a target only before that, and has no generalisation gap.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alexbench.config.metrics import LEVELS
from alexbench.runs import curves, kernel_colour
from alexbench.runs.record import RunRecord

EARLY_SHARE = 0.1  # of the epochs: what early_train_error averages over


@dataclass(frozen=True)
class MetricValue:
    """The value of a metric in one run; NaN: not measured; censored: at least this much."""

    value: float
    censored: bool = False


MISSING = MetricValue(math.nan)


def guessing_error(record: RunRecord, top: int = 1) -> float:
    """Return the error in percent of guessing ``top`` of the classes."""
    classes = len(record.data["classes"])
    return 100 * (1 - min(top, classes) / classes)


def value_of(section: Mapping[str, Any], key: str, default: float | None = None) -> float | None:
    """A number of a section or a history row by its name; the default where it has none."""
    value: float | None = section.get(key, default)
    return value


def train_errors(record: RunRecord) -> list[float | None]:
    """Return the training error of each epoch: of the clean pass, else the running average."""
    if _has(record, "train_error"):
        return [row["train_error"] for row in record.history]
    return [row["running_train_error"] for row in record.history]


def target_errors(record: RunRecord) -> list[float | None]:
    """Return the training error of each epoch that ``target_train_error`` is for."""
    if record.config["train"].get("target_pass") == "running":
        return [row["running_train_error"] for row in record.history]
    return train_errors(record)


def _has(record: RunRecord, key: str) -> bool:
    return bool(record.history) and record.history[-1].get(key) is not None


def last(key: str, guessing: Callable[[RunRecord], float]) -> Callable[[RunRecord], MetricValue]:
    """A reader of the final value; a diverged run has that of guessing."""

    def read_last(record: RunRecord) -> MetricValue:
        if record.status == "diverged":
            return MetricValue(guessing(record))
        return MetricValue(_final(record, key))

    return read_last


def _final(record: RunRecord, key: str) -> float:
    """Return the value of the final test: its own where it averaged views or nets, else that of
    the last epoch."""
    return _number(value_of(record.measurements, key, value_of(record.history[-1], key)))


def top5_error(record: RunRecord) -> MetricValue:
    """The top-5 error of the final test; missing where there are no more than five classes."""
    if len(record.data["classes"]) <= 5:
        return MISSING
    return last("top5_error", lambda run: guessing_error(run, 5))(record)


def test_accuracy(record: RunRecord) -> MetricValue:
    """100 minus the test error."""
    return MetricValue(100 - last("test_error", guessing_error)(record).value)


def train_error(record: RunRecord) -> MetricValue:
    """The last training error."""
    if record.status == "diverged":
        return MetricValue(guessing_error(record))
    return MetricValue(_number(train_errors(record)[-1]))


def generalisation_gap(record: RunRecord) -> MetricValue:
    """Test error minus training error, both on the centres of the images."""
    if record.status == "diverged":
        return MISSING
    tested = _number(record.history[-1].get("test_error"))  # on the centre, as the training images
    return MetricValue(tested - train_error(record).value)


def early_train_error(record: RunRecord) -> MetricValue:
    """The mean training error over the first tenth of the epochs."""
    epochs = max(1, math.ceil(EARLY_SHARE * int(record.config["train"]["epochs"])))
    errors = [_number(error) for error in train_errors(record)[:epochs]]
    if record.status == "diverged":  # what is missing after the divergence is guessing
        errors = [guessing_error(record) if math.isnan(error) else error for error in errors]
        errors += [guessing_error(record)] * (epochs - len(errors))
    return MetricValue(math.fsum(errors) / len(errors)) if errors else MISSING


def epochs_to_target(record: RunRecord) -> MetricValue:
    """The first epoch, interpolated, at which the training error reaches its target."""
    target = record.config["train"]["target_train_error"]
    return MISSING if target is None else _epochs_to(record, target)


def _epochs_to(record: RunRecord, target: float) -> MetricValue:
    if target >= guessing_error(record):  # met before the first step
        return MISSING
    errors = map(_number, target_errors(record))
    epoch = curves.crossing(errors, target, guessing_error(record))
    if epoch == math.inf:
        reached = record.config["train"]["epochs"] if _diverged(record) else len(record.history)
        return MetricValue(float(reached), censored=True)
    return MetricValue(epoch)


def seconds_to_target(record: RunRecord) -> MetricValue:
    """Seconds of training alone; inside an epoch they run evenly."""
    epochs = epochs_to_target(record)
    seconds = [_number(row.get("train_seconds")) for row in record.history]
    if math.isnan(epochs.value) or not seconds:
        return MISSING
    if epochs.value > len(seconds):  # diverged: what the whole budget would have taken
        return MetricValue(math.fsum(seconds) / len(seconds) * epochs.value, epochs.censored)
    whole = int(epochs.value)
    begun = (epochs.value - whole) * seconds[whole] if whole < len(seconds) else 0.0
    return MetricValue(math.fsum(seconds[:whole]) + begun, epochs.censored)


def epochs_to_converge(record: RunRecord) -> MetricValue:
    """Epochs until the test error is within 5% of its best: ``curves.epochs_to_converge``.

    A run that diverged is censored at its whole budget.
    """
    if _diverged(record):
        return MetricValue(float(record.config["train"]["epochs"]), censored=True)
    errors = [_number(row["test_error"]) for row in record.history]
    return MetricValue(*curves.epochs_to_converge(errors, guessing_error(record)))


def test_error_at(level: int) -> Callable[[RunRecord], MetricValue]:
    """A reader of the test error at that training error, in percent; missing if never passed."""

    def read_at_level(record: RunRecord) -> MetricValue:
        tested = [row["test_error"] for row in record.history]
        found = curves.test_error_at_train_error(train_errors(record), tested, level)
        return MISSING if _diverged(record) else MetricValue(found)

    return read_at_level


def epochs_to(level: int) -> Callable[[RunRecord], MetricValue]:
    """A reader of the epochs to that training error, in percent, of the target's pass."""
    return lambda record: _epochs_to(record, float(level))


def did_not_learn(record: RunRecord) -> bool:
    """Whether the run ended within two standard errors of guessing, or diverged."""
    guessing = guessing_error(record)
    chance = math.sqrt(guessing * (100 - guessing) / record.data["test_images"])
    return _diverged(record) or _final(record, "test_error") >= guessing - 2 * chance


def median_of(key: str) -> Callable[[RunRecord], MetricValue]:
    """A reader of the median over the epochs."""

    def read_median(record: RunRecord) -> MetricValue:
        values = sorted(v for row in record.history if (v := value_of(row, key)) is not None)
        if not values:
            return MISSING
        middle = len(values) // 2
        return MetricValue((values[middle] + values[-1 - middle]) / 2)

    return read_median


def measured(key: str) -> Callable[[RunRecord], MetricValue]:
    """A reader of a number among the measurements."""
    return lambda record: MetricValue(_number(value_of(record.measurements, key)))


def kernel_saturations(record: RunRecord) -> list[float]:
    """The colour saturation of each first kernel; none where one of them is not finite."""
    found = record.measurements.get("kernel_saturations", [])
    kept = [each for each in found if each is not None]
    return kept if len(kept) == len(found) else []


def column_specialisation(record: RunRecord) -> MetricValue:
    """How much further apart the columns are in colour than kernels dealt out by chance."""
    by_kernel = kernel_saturations(record)
    if not by_kernel:
        return MISSING
    return MetricValue(kernel_colour.gap(by_kernel) - kernel_colour.shuffled_gap(by_kernel))


def exchanged_megabytes(record: RunRecord) -> MetricValue:
    """The median megabytes that devices exchange in a step."""
    if all("exchanged_bytes" not in row for row in record.history):
        return MetricValue(0.0)  # on one device there is nobody to exchange with
    return MetricValue(median_of("exchanged_bytes")(record).value / 1e6)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _diverged(record: RunRecord) -> bool:
    return record.status == "diverged"


READERS: dict[str, Callable[[RunRecord], MetricValue]] = {
    "test_error": last("test_error", guessing_error),
    "top5_error": top5_error,
    "test_accuracy": test_accuracy,
    "train_error": train_error,
    "generalisation_gap": generalisation_gap,
    "early_train_error": early_train_error,
    "test_loss": last("test_loss", lambda record: math.log(len(record.data["classes"]))),
    "epochs_to_target": epochs_to_target,
    "seconds_to_target": seconds_to_target,
    "epochs_to_converge": epochs_to_converge,
    "step_seconds": measured("step_seconds"),
    "epoch_seconds": median_of("train_seconds"),
    "images_per_second": median_of("images_per_second"),
    "peak_memory_bytes": measured("peak_memory_bytes"),
    "exchanged_megabytes": exchanged_megabytes,
    "specialisation": column_specialisation,
    "parameters": lambda record: MetricValue(float(record.model["parameters"])),
    "flops": lambda record: MetricValue(float(record.model["flops"])),
} | {
    name: reader
    for level in LEVELS
    for name, reader in (
        (f"test_error_at_train_error_{level}", test_error_at(level)),
        (f"epochs_to_train_error_{level}", epochs_to(level)),
    )
}


def read(name: str, record: RunRecord) -> MetricValue:
    """The value of metric ``name`` in ``record``."""
    return READERS[name](record)
