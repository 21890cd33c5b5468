"""Records -> the summary: a row a variant and metric, over its seeds."""

import math
from collections.abc import Sequence

import pandas as pd

from alexbench.analysis import stats
from alexbench.analysis.comparison import claim_questions
from alexbench.config import metrics
from alexbench.config.ablation import Ablation
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord

COLUMNS = [
    "ablation",
    "profile",
    "data",
    "metric",
    "unit",
    "variant",
    "num_seeds",
    "num_diverged",
    "num_censored",
    "mean",
    "sd",
    "ci_low",
    "ci_high",
    "median",
    "min",
    "max",
]


def summary(ablation: Ablation, profile: str, records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return a row a variant and metric of the measured ``records``.

    ``num_seeds`` counts the runs in which the metric was measured. Where runs were censored, mean,
    sd and interval do not exist, and the median is that of the Kaplan-Meier curve (infinite
    if fewer than half the runs got there).
    """
    measured = [record for record in records if record.purpose == "measure"]
    return pd.DataFrame(
        [
            over_seeds(name, variant, [r for r in measured if r.variant == variant])
            | {"ablation": ablation.name, "profile": profile}
            for variant in ablation.variants
            for name in asked(ablation)
        ],
        columns=COLUMNS,
    )


def asked(ablation: Ablation) -> list[str]:
    """The metrics of an ablation, and those that its claims are about."""
    return list(dict.fromkeys([*ablation.metrics, *(q.metric for q in claim_questions(ablation))]))


def over_seeds(name: str, variant: str, runs: Sequence[RunRecord]) -> dict[str, object]:
    readings = [(run, metric_values.read(name, run)) for run in runs]
    readings = [(run, reading) for run, reading in readings if not math.isnan(reading.value)]
    values = [reading.value for _, reading in readings]
    late = [reading.censored for _, reading in readings]
    interval = stats.t_interval([] if any(late) else values)
    return {
        "data": runs[0].data["name"] if runs else "",
        "metric": name,
        "unit": metrics.METRICS[name].unit,
        "variant": variant,
        "num_seeds": len(values),
        "num_diverged": sum(run.status == "diverged" for run, _ in readings),
        "num_censored": sum(late),
        "mean": interval.estimate,
        "sd": stats.sd([] if any(late) else values),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "median": median(values, late),
        "min": min(values, default=math.nan),
        "max": max(values, default=math.nan),
    }


def median(values: Sequence[float], late: Sequence[bool]) -> float:
    if any(late):
        return stats.median_time(values, late)
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[-1 - middle]) / 2 if ordered else math.nan
