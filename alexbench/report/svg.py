"""The figures of a page as inline SVG, each with a text that says what it shows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config import metrics, references
from alexbench.config.ablation import Ablation
from alexbench.report import figures, forest, text
from alexbench.report.forest import ForestRow, Mark
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord


class PageFigure(NamedTuple):
    """An inline SVG and its caption."""

    svg: Markup
    caption: str


def page_figures(
    ablation: Ablation, records: Sequence[RunRecord], comparison: Sequence[ComparisonRow]
) -> list[PageFigure]:
    """Return the learning curves, the dots a seed and the forest plots."""
    return [
        *curves(ablation, records),
        *dots(ablation, records),
        *forests(ablation, comparison),
    ]


def curves(ablation: Ablation, records: Sequence[RunRecord]) -> list[PageFigure]:
    """Returns a figure of learning curves for each error that was measured."""
    names = list(ablation.variants)
    found = []
    for key in figures.panels(records):
        title = metrics.METRICS[key].title
        ends = ", ".join(
            f"{name} ends at {text.value('%', mean)}"
            for name in names
            for mean in [final_mean(key, name, records)]
            if not math.isnan(mean)
        )
        caption = f"{title} against epoch: mean, one standard deviation, and a thin line a seed"
        found.append(as_svg(figures.curves(names, records, [key]), f"curves-{key}", caption, ends))
    return found


def final_mean(key: str, variant: str, records: Sequence[RunRecord]) -> float:
    """Returns the mean error at the last epoch; NaN without runs."""
    values = [figures.errors(run, key)[-1] for run in records if run.variant == variant]
    return sum(values) / len(values) if values else math.nan


def dots(ablation: Ablation, records: Sequence[RunRecord]) -> list[PageFigure]:
    """Returns the figure with a dot for each run; nothing where no run was measured."""
    metric = metrics.METRICS[ablation.metrics[0]]
    values = [(run, metric_values.read(metric.name, run)) for run in records]
    measured = [run for run, value in values if not math.isnan(value.value)]
    if not measured:
        return []
    caption = f"{metric.title}: a dot a run, a thin line a seed, a bar at the mean"
    if any(metric_values.read(metric.name, run).censored for run in measured):
        caption += ", an open dot where a run never got there"
    said = f"{len(measured)} runs of {', '.join(dict.fromkeys(run.variant for run in measured))}"
    figure = figures.dots(metric, list(ablation.variants), measured)
    return [as_svg(figure, "dots", caption, said)]


def forests(ablation: Ablation, comparison: Sequence[ComparisonRow]) -> list[PageFigure]:
    """A plot of the points and one of the ratios: the claims, and the first metric's other arms."""
    rows = [
        row
        for row in comparison
        if not math.isnan(row.delta) and (row.claim or row.metric == ablation.metrics[0])
    ]
    found = []
    for ratio in (False, True):
        mine = [row for row in rows if (row.kind != "difference") == ratio]
        if mine:
            unit = "ratio, with / without" if ratio else "percentage points, with minus without"
            caption = f"deltas with their 95% intervals beside the sources' ({unit})"
            said = "; ".join(f"{label(row)} {text.interval(row)}" for row in mine)
            figure = forest.draw([forest_row(row) for row in mine], unit, ratio=ratio)
            found.append(as_svg(figure, f"forest-{'ratio' if ratio else 'points'}", caption, said))
    return found


def forest_row(row: ComparisonRow) -> ForestRow:
    """Returns what was measured and what each source reports of it."""
    marks = [Mark("measured", row.delta, row.ci_low, row.ci_high)]
    if not math.isnan(row.paper_delta):
        marks.append(mark("paper", row.paper_delta, row.paper_se))
    if not math.isnan(row.notebook_delta):
        marks.append(mark("notebook", row.notebook_delta, row.notebook_se))
    if row.claim:
        for replication in references.replications_of(row.claim):
            effect = replication.effect(row.metric)
            if effect is not None and effect.size is not None:
                error = effect.standard_error or math.nan
                marks.append(mark("replication", effect.size, error))
    return ForestRow(label(row), marks)


def mark(who: str, delta: float, error: float) -> Mark:
    """Returns a source's delta with its 95% interval."""
    return Mark(who, delta, delta - 1.96 * error, delta + 1.96 * error)


def label(row: ComparisonRow) -> str:
    """Returns the claim, metric and arms of a row."""
    claim = f"{row.claim}: " if row.claim else ""
    return f"{claim}{row.metric}, {row.variant} vs {row.baseline}"


def as_svg(figure: Figure, name: str, caption: str, said: str) -> PageFigure:
    """Returns the figure as SVG, described by its caption and by ``said``."""
    caption = caption[0].upper() + caption[1:]
    return PageFigure(Markup(figures.to_svg(figure, name, f"{caption}. {said}")), caption)
