"""Records -> the summary: a row a variant and metric, over its seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from alexbench.analysis import stats
from alexbench.analysis.comparison import claim_questions
from alexbench.config import metrics
from alexbench.config.ablation import Ablation
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord


@dataclass(frozen=True)
class SummaryRow:
    """A row of summary.csv: one metric of one variant over its seeds, in the metric's unit.

    ``num_seeds`` counts the runs in which the metric was measured. Where runs were censored, mean,
    sd and interval do not exist, and the median is that of the Kaplan-Meier curve (infinite
    if fewer than half the runs got there).
    """

    ablation: str
    profile: str
    data: str
    metric: str
    unit: str
    variant: str
    num_seeds: int
    num_diverged: int
    num_censored: int
    mean: float
    sd: float
    ci_low: float
    ci_high: float
    median: float
    min: float
    max: float


def summary(ablation: Ablation, profile: str, records: Sequence[RunRecord]) -> list[SummaryRow]:
    """Return a row a variant and metric of the measured ``records``."""
    measured = [record for record in records if record.purpose == "measure"]
    return [
        over_seeds(
            ablation.name, profile, name, variant, [r for r in measured if r.variant == variant]
        )
        for variant in ablation.variants
        for name in asked(ablation)
    ]


def asked(ablation: Ablation) -> list[str]:
    """The metrics of an ablation, and those that its claims are about."""
    return list(dict.fromkeys([*ablation.metrics, *(q.metric for q in claim_questions(ablation))]))


def over_seeds(
    ablation: str, profile: str, metric: str, variant: str, runs: Sequence[RunRecord]
) -> SummaryRow:
    """Summarise a metric over the runs of one variant."""
    pairs = [(run, metric_values.read(metric, run)) for run in runs]
    measured = [(run, value) for run, value in pairs if not math.isnan(value.value)]
    values = [value.value for _, value in measured]
    late = [value.censored for _, value in measured]
    interval = stats.t_interval([] if any(late) else values)
    return SummaryRow(
        ablation=ablation,
        profile=profile,
        data=runs[0].data["name"] if runs else "",
        metric=metric,
        unit=metrics.METRICS[metric].unit,
        variant=variant,
        num_seeds=len(values),
        num_diverged=sum(run.status == "diverged" for run, _ in measured),
        num_censored=sum(late),
        mean=interval.estimate,
        sd=stats.sd([] if any(late) else values),
        ci_low=interval.low,
        ci_high=interval.high,
        median=median(values, late),
        min=min(values, default=math.nan),
        max=max(values, default=math.nan),
    )


def median(values: Sequence[float], late: Sequence[bool]) -> float:
    """Return the median, over censored times that of the Kaplan-Meier curve; NaN of nothing."""
    if any(late):
        return stats.median_time(values, late)
    return statistics.median(values) if values else math.nan
