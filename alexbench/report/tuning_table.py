"""What tuning saw: each variant at each value, and so the comparison that tuning replaces."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from alexbench.analysis import stats
from alexbench.analysis.pairs import chosen
from alexbench.config import metrics
from alexbench.config.ablation import Ablation
from alexbench.config.schema import differences
from alexbench.report import text
from alexbench.report.text import TextTable
from alexbench.runs import metric_values
from alexbench.runs.metric_values import MetricValue
from alexbench.runs.record import RunRecord

Seen = dict[tuple[str, float], list[MetricValue]]


def grid(
    ablation: Ablation, records: Sequence[RunRecord], tuning: Sequence[RunRecord]
) -> TextTable | None:
    """Return a row a variant and a column a value: the first metric, a star at the chosen value.

    The last column compares untuned: every variant at the value that is best for the baseline.
    records: the measured runs, which say what was chosen. None where nothing was tuned.
    """
    best = {run.variant: run.tuned[key] for run in records for key in keys(run)}
    key = next((key for run in records for key in keys(run)), None)
    if key is None:
        return None
    seen: Seen = {}
    for run in tuning:
        reading = metric_values.read(ablation.metrics[0], run)
        seen.setdefault((run.variant, setting(run, key)), []).append(reading)
    if not seen:
        return None
    common = best.get(ablation.baseline)
    values = sorted({value for _, value in seen})
    columns = [key, *(f"{value:.4g}" for value in values)]
    if common is not None:
        columns.append(f"untuned: minus {ablation.baseline} at {common:.4g}")
    rows = []
    for variant in ablation.variants:
        row = [variant]
        for value in values:
            star = " *" if value == best.get(variant) else ""
            row.append(cell(ablation, seen.get((variant, value), [])) + star)
        if common is not None:
            arms = [seen.get((name, common), []) for name in (ablation.baseline, variant)]
            row.append(untuned(*arms))
        rows.append(row)
    return TextTable(columns, rows)


def stray(records: Sequence[RunRecord]) -> Callable[[RunRecord], str | None]:
    """Returns a check of a tuning record: its complaint, or None where the record belongs."""
    measured = {run.variant: (keys(run), besides(run, keys(run))) for run in records}

    def complaint(run: RunRecord) -> str | None:
        if run.purpose != "tune":
            return "is no tuning run, its place is the folder 'runs'"
        tuned, config = measured.get(run.variant, ([], None))
        if tuned and besides(run, tuned) != config:
            return f"was trained with other settings than the runs of '{run.variant}'; move it away"
        return None

    return complaint


def besides(run: RunRecord, tuned: Sequence[str]) -> dict[str, Any]:
    """What a run's configuration says beside the defaults and beside what was tuned."""
    return {
        f"{section}.{key}": value
        for section, values in differences(run.config).items()
        for key, value in values.items()
        if f"{section}.{key}" not in tuned
    }


def keys(run: RunRecord) -> list[str]:
    """Returns the dotted keys of the settings that were tuned for a run."""
    return list(chosen(run))


def setting(run: RunRecord, key: str) -> float:
    """Returns the value of a dotted key in a run's configuration."""
    section, _, field = key.partition(".")
    return float(run.config[section][field])


def cell(ablation: Ablation, readings: Sequence[MetricValue]) -> str:
    """The mean over the tuning seeds; a bound where a run never got there."""
    if not readings:
        return text.MISSING
    bound = "> " if any(reading.censored for reading in readings) else ""
    unit = metrics.METRICS[ablation.metrics[0]].unit
    return bound + text.value(unit, stats.mean([reading.value for reading in readings]))


def untuned(baseline: Sequence[MetricValue], variant: Sequence[MetricValue]) -> str:
    """The difference of the means, where both arms were tried at that value and got there."""
    both = [*baseline, *variant]
    if not baseline or not variant or any(reading.censored for reading in both):
        return text.MISSING
    means = [stats.mean([reading.value for reading in arm]) for arm in (baseline, variant)]
    difference = means[1] - means[0]
    return text.MISSING if math.isnan(difference) else f"{difference:+.2f}"
