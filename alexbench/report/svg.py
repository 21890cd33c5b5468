"""The figures of a page as inline SVG, each with a text that says what it shows."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from alexbench.config import metrics, references
from alexbench.config.ablation import Ablation
from alexbench.report import figures as draw
from alexbench.report import text
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord

Row = Mapping[Hashable, Any]


class Drawn(NamedTuple):
    """An inline SVG and its caption."""

    svg: Markup
    caption: str


def figures(
    ablation: Ablation, records: Sequence[RunRecord], comparison: pd.DataFrame
) -> list[Drawn]:
    """Return the learning curves, the dots a seed and the forest plots."""
    return [
        *curves(ablation, records),
        *dots(ablation, records),
        *forests(ablation, comparison),
    ]


def curves(ablation: Ablation, records: Sequence[RunRecord]) -> list[Drawn]:
    names = list(ablation.variants)
    drawn = []
    for key in draw.panels(records):
        title = metrics.METRICS[key].title
        ends = ", ".join(
            f"{name} ends at {text.value('%', mean)}"
            for name in names
            for mean in [final_mean(key, name, records)]
            if not math.isnan(mean)
        )
        caption = f"{title} against epoch: mean, one standard deviation, and a thin line a seed"
        drawn.append(as_svg(draw.curves(names, records, [key]), f"curves-{key}", caption, ends))
    return drawn


def final_mean(key: str, variant: str, records: Sequence[RunRecord]) -> float:
    values = [draw.errors(run, key)[-1] for run in records if run.variant == variant]
    return sum(values) / len(values) if values else math.nan


def dots(ablation: Ablation, records: Sequence[RunRecord]) -> list[Drawn]:
    metric = metrics.METRICS[ablation.metrics[0]]
    values = [(run, metric_values.read(metric.name, run)) for run in records]
    measured = [run for run, value in values if not math.isnan(value.value)]
    if not measured:
        return []
    caption = f"{metric.title}: a dot a run, a thin line a seed, a bar at the mean"
    if any(metric_values.read(metric.name, run).censored for run in measured):
        caption += ", an open dot where a run never got there"
    said = f"{len(measured)} runs of {', '.join(dict.fromkeys(run.variant for run in measured))}"
    figure = draw.dots(metric, list(ablation.variants), measured)
    return [as_svg(figure, "dots", caption, said)]


def forests(ablation: Ablation, comparison: pd.DataFrame) -> list[Drawn]:
    """A plot of the points and one of the ratios: the claims, and the first metric's other arms."""
    rows = [
        row
        for row in comparison.to_dict("records")
        if not math.isnan(row["delta"]) and (row["claim"] or row["metric"] == ablation.metrics[0])
    ]
    drawn = []
    for ratio in (False, True):
        mine = [row for row in rows if (row["kind"] != "difference") == ratio]
        if mine:
            unit = "ratio, with / without" if ratio else "percentage points, with minus without"
            caption = f"deltas with their 95% intervals beside the sources' ({unit})"
            said = "; ".join(f"{label(row)} {text.interval(row)}" for row in mine)
            figure = draw.forest([forest_row(row) for row in mine], unit, ratio=ratio)
            drawn.append(as_svg(figure, f"forest-{'ratio' if ratio else 'points'}", caption, said))
    return drawn


def forest_row(row: Row) -> draw.Forest:
    marks = [draw.Mark("measured", row["delta"], row["ci_low"], row["ci_high"])]
    for who in ("paper", "notebook"):
        delta, error = row[f"{who}_delta"], row[f"{who}_se"]
        if not math.isnan(delta):
            marks.append(mark(who, delta, error))
    if row["claim"]:
        for replication in references.replications_of(str(row["claim"])):
            effect = replication.effect(str(row["metric"]))
            if effect is not None and effect.size is not None:
                error = effect.standard_error or math.nan
                marks.append(mark("replication", effect.size, error))
    return draw.Forest(label(row), marks)


def mark(who: str, delta: float, error: float) -> draw.Mark:
    return draw.Mark(who, delta, delta - 1.96 * error, delta + 1.96 * error)


def label(row: Row) -> str:
    claim = f"{row['claim']}: " if row["claim"] else ""
    return f"{claim}{row['metric']}, {row['variant']} vs {row['baseline']}"


def as_svg(figure: Figure, name: str, caption: str, said: str) -> Drawn:
    caption = caption[0].upper() + caption[1:]
    return Drawn(Markup(draw.to_svg(figure, name, f"{caption}. {said}")), caption)
