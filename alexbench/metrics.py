"""What can be asked of a record: every metric by name, with its unit and how it is compared."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from alexbench import readings
from alexbench.readings import Reading
from alexbench.record import RunRecord

Kind = Literal["difference", "ratio", "time_to_target"]


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


_ALL = [
    Metric(
        "test_error",
        "%",
        "difference",
        readings.last("test_error", readings.guessing_error),
        "test error",
        tunes="test",
    ),
    Metric(
        "top5_error",
        "%",
        "difference",
        readings.last("top5_error", lambda record: readings.guessing_error(record, 5)),
        "top-5 test error",
        tunes="test",
    ),
    Metric("test_accuracy", "%", "difference", readings.test_accuracy, "test accuracy"),
    Metric(
        "train_error", "%", "difference", readings.train_error, "training error", tunes="training"
    ),
    Metric(
        "generalisation_gap",
        "%",
        "difference",
        readings.generalisation_gap,
        "test minus training error",
    ),
    Metric(
        "early_train_error",
        "%",
        "difference",
        readings.early_train_error,
        "training error over the first tenth of the epochs",
        tunes="training",
    ),
    Metric(
        "test_loss",
        "nats",
        "difference",
        readings.last("test_loss", lambda record: math.log(len(record.data["classes"]))),
        "test loss",
        tunes="test",
    ),
    Metric(
        "epochs_to_target",
        "epochs",
        "time_to_target",
        readings.epochs_to_target,
        "epochs to the target training error",
        tunes="training",
    ),
    Metric(
        "seconds_to_target",
        "s",
        "time_to_target",
        readings.seconds_to_target,
        "seconds to the target training error",
        timing=True,
        tunes="training",
    ),
    Metric(
        "epochs_to_converge",
        "epochs",
        "time_to_target",
        readings.epochs_to_converge,
        "epochs to converge",
        tunes="test",
    ),
    Metric(
        "step_seconds",
        "s",
        "ratio",
        readings.measured("step_seconds"),
        "seconds a step",
        timing=True,
    ),
    Metric(
        "epoch_seconds",
        "s",
        "ratio",
        readings.median_of("train_seconds"),
        "seconds an epoch",
        timing=True,
    ),
    Metric(
        "images_per_second",
        "images/s",
        "ratio",
        readings.median_of("images_per_second"),
        "training images a second",
        timing=True,
    ),
    Metric(
        "peak_memory_bytes",
        "bytes",
        "ratio",
        readings.measured("peak_memory_bytes"),
        "peak memory",
        timing=True,
    ),
    Metric(
        "exchanged_megabytes",
        "MB",
        "difference",
        readings.exchanged_megabytes,
        "exchanged between devices a step",
        exact=True,
    ),
    Metric(
        "specialisation",
        "%",
        "difference",
        readings.column_specialisation,
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
