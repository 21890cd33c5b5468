"""Every metric by name, with its unit and how two arms are compared on it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["difference", "ratio", "time_to_target"]


@dataclass(frozen=True)
class Metric:
    """How a metric is compared.

    Arms are compared by the difference of their values, by their ratio, or as times to an event
    that a run may never reach. ``timing``: depends on the machine, so that only runs of one
    machine make a pair. ``exact``: counted and not measured, so that there is nothing to test.
    ``tunes``: what tuning can minimise, on the images of the training or of the test. ``odds``: an
    error, whose sizes are compared in log odds, as base errors differ between data sets.
    """

    name: str
    unit: str
    kind: Kind
    title: str
    timing: bool = False
    exact: bool = False
    tunes: Literal["training", "test"] | None = None
    odds: bool = False


def names() -> list[str]:
    """Every metric that an ablation may ask for; those at a level once, as ``_<level>``."""
    return [*(metric.name for metric in _ALL), *(f"{stem}_<level>" for stem in AT_LEVEL)]


_ALL = [
    Metric(
        "test_error",
        "%",
        "difference",
        "test error",
        tunes="test",
        odds=True,
    ),
    Metric(
        "top5_error",
        "%",
        "difference",
        "top-5 test error",
        tunes="test",
        odds=True,
    ),
    Metric("test_accuracy", "%", "difference", "test accuracy"),
    Metric("train_error", "%", "difference", "training error", tunes="training", odds=True),
    Metric(
        "generalisation_gap",
        "%",
        "difference",
        "test minus training error",
    ),
    Metric(
        "early_train_error",
        "%",
        "difference",
        "training error over the first tenth of the epochs",
        tunes="training",
        odds=True,
    ),
    Metric(
        "test_loss",
        "nats",
        "difference",
        "test loss",
        tunes="test",
    ),
    Metric(
        "epochs_to_target",
        "epochs",
        "time_to_target",
        "epochs to the target training error",
        tunes="training",
    ),
    Metric(
        "seconds_to_target",
        "s",
        "time_to_target",
        "seconds to the target training error",
        timing=True,
        tunes="training",
    ),
    Metric(
        "epochs_to_converge",
        "epochs",
        "time_to_target",
        "epochs to converge",
        tunes="test",
    ),
    Metric(
        "step_seconds",
        "s",
        "ratio",
        "seconds a step",
        timing=True,
    ),
    Metric(
        "epoch_seconds",
        "s",
        "ratio",
        "seconds an epoch",
        timing=True,
    ),
    Metric(
        "images_per_second",
        "images/s",
        "ratio",
        "training images a second",
        timing=True,
    ),
    Metric(
        "peak_memory_bytes",
        "bytes",
        "ratio",
        "peak memory",
        timing=True,
    ),
    Metric(
        "exchanged_megabytes",
        "MB",
        "difference",
        "exchanged between devices a step",
        exact=True,
    ),
    Metric(
        "specialisation",
        "%",
        "difference",
        "gap in colour saturation between the columns, above chance",
    ),
    Metric(
        "parameters",
        "",
        "ratio",
        "parameters",
        exact=True,
    ),
    Metric(
        "flops",
        "",
        "ratio",
        "FLOPs of the forward pass of an image",
        exact=True,
    ),
]
LEVELS = tuple(range(5, 100, 5))  # of the training error, in percent
AT_LEVEL = ("test_error_at_train_error", "epochs_to_train_error")


def stem(name: str) -> str:
    """A metric's name without its level: what a claim is about at every level."""
    return next((each for each in AT_LEVEL if name.startswith(f"{each}_")), name)


def _at_level(level: int) -> tuple[Metric, Metric]:
    test_error, epochs = (f"{stem}_{level}" for stem in AT_LEVEL)
    return (
        Metric(test_error, "%", "difference", f"test error at {level}% training error", odds=True),
        Metric(
            epochs,
            "epochs",
            "time_to_target",
            f"epochs to {level}% training error",
            tunes="training",
        ),
    )


METRICS = {
    metric.name: metric
    for metric in (*_ALL, *(metric for level in LEVELS for metric in _at_level(level)))
}
