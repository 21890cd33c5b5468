"""The forest plot: each claim and control with its interval, its seeds, and what sources report."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from alexbench.analysis import pairs
from alexbench.analysis.comparison import ComparisonRow
from alexbench.config import references
from alexbench.config.metrics import METRICS
from alexbench.report import text
from alexbench.report.figures import CLAIM, COLUMN, GREY, INK, SOFT, TEXT, place, plain_style
from alexbench.report.verdicts import LOOKS, VerdictLook
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord

MOST_LETTERS = 58  # of a label at full size
TOP = 0.27  # inches of the note above
NAMES = 1.2  # inches right of the axes for who reports a mark
AUTHOR_AND_YEAR = re.compile(r"^([a-z]+)([0-9]{4})$")
LINE, HEAD, GAP = 0.145, 0.29, 0.09  # inches: a mark, the two lines above, the space below


class Mark(NamedTuple):
    """A delta with its interval, and who reports it: measured here, or a source."""

    who: str
    delta: float
    low: float = math.nan
    high: float = math.nan
    seeds: tuple[float, ...] = ()


class ForestRow(NamedTuple):
    """A comparison in the plot: its verdict, what it is about, and its marks."""

    verdict: str
    share: str
    label: str
    marks: Sequence[Mark]


class ForestPanel(NamedTuple):
    """Rows on one axis, which says what the deltas are; ratios on a logarithmic one."""

    rows: Sequence[ForestRow]
    unit: str
    ratio: bool = False


def panels_of(
    comparison: Sequence[ComparisonRow], records: Sequence[RunRecord]
) -> list[ForestPanel]:
    """Return the points and the ratios of a comparison; what it has none of is left out."""
    points, ratios = (rows_of(comparison, records, ratio) for ratio in (False, True))
    both = (
        ForestPanel(points, "points, with minus without"),
        ForestPanel(ratios, "ratio, with / without", ratio=True),
    )
    return [panel for panel in both if panel.rows]


def rows_of(
    comparison: Sequence[ComparisonRow], records: Sequence[RunRecord], ratio: bool
) -> list[ForestRow]:
    """Return the claims and their controls with points, or with ratios; all rows if none claims."""
    claimed = [row for row in comparison if row.role] or list(comparison)
    return [
        forest_row(row, records)
        for row in claimed
        if not math.isnan(row.delta) and (row.kind != "difference") == ratio
    ]


def forest_row(row: ComparisonRow, records: Sequence[RunRecord]) -> ForestRow:
    """Return what was measured and what each source reports of it."""
    who = f"measured, n {row.num_pairs}"
    marks = [Mark(who, row.delta, row.ci_low, row.ci_high, seed_deltas(row, records))]
    if not math.isnan(row.paper_delta):
        name = AUTHOR_AND_YEAR.sub(r"\1 \2", references.claim(row.claim).source)
        marks.append(reported(f"{name[:1].upper()}{name[1:]}", row.paper_delta, row.paper_se))
    if not math.isnan(row.notebook_delta):
        marks.append(reported("released notebook", row.notebook_delta, row.notebook_se))
    for replication in references.replications_of(row.claim) if row.role == "claim" else ():
        effect = replication.effect(row.metric)
        if effect is not None and effect.size is not None:
            error = effect.standard_error or math.nan
            marks.append(reported(replication.title, effect.size, error))
    share = text.share(row)
    said = f"{share} of the claim" if share != text.MISSING else ""
    if row.claim and not said:
        said = f"claimed {text.claims(row)}"
    return ForestRow(row.verdict, said, text.question(row), marks)


def shortened(said: str, length: int) -> str:
    """The text, cut with three dots where it is longer."""
    return said if len(said) <= length else f"{said[: length - 1].rstrip()}…"


def reported(who: str, delta: float, error: float) -> Mark:
    """Return a source's delta with its 95% interval."""
    return Mark(who, delta, delta - text.SURE * error, delta + text.SURE * error)


def seed_deltas(row: ComparisonRow, records: Sequence[RunRecord]) -> tuple[float, ...]:
    """The difference or ratio of each pair of seeds, each arm at its measured rate nearest to its
    best one; none of a time that was not reached."""
    found = pairs.pair(METRICS[row.metric], (row.baseline, row.variant), records)
    values = [[metric_values.read(row.metric, run) for run in arm] for arm in found.best_runs()]
    both = [
        (first.value, second.value)
        for first, second in zip(*values, strict=True)
        if not first.censored and not second.censored
    ]
    if row.kind == "difference":
        return tuple(second - first for first, second in both)
    return tuple(second / first for first, second in both if first > 0)


def draw(panels: Sequence[ForestPanel], note: str) -> Figure:
    """Draw each panel on an axis of its own, below each other.

    note: the data and how they were measured, in grey on top.
    """
    with plain_style():
        heights = [sum(map(high, panel.rows)) for panel in panels]
        height = sum(heights) + 0.5 * len(panels) + TOP
        figure = Figure(figsize=(COLUMN, height))
        figure.text(0.12 / COLUMN, 1 - 0.06 / height, note, va="top", color=SOFT)
        top = height - TOP
        for panel, tall in zip(panels, heights, strict=True):
            ax = place(figure, 0.12, top - tall, COLUMN - 0.12 - NAMES, tall)
            draw_forest(ax, panel)
            top -= tall + 0.5
    return figure


def high(row: ForestRow) -> float:
    """The height of a row in inches."""
    return HEAD + LINE * len(row.marks) + GAP


def draw_forest(ax: Axes, panel: ForestPanel) -> None:
    """Draw rows below each other, heights in inches: verdict, question, and a line a mark."""
    rows, unit, ratio = panel
    null, y = (1 if ratio else 0), 0.0
    total = sum(map(high, rows))
    ax.set(ylim=(total, 0), yticks=[], xlabel=unit, xscale="log" if ratio else "linear")
    at = ax.get_yaxis_transform()
    for row in rows:
        look = LOOKS.get(row.verdict)
        colour = look.colour if look else INK
        word = row.verdict or ""
        ax.text(0, y + 0.08, word, transform=at, va="center", weight="bold", color=colour)
        after = (0.075 * len(word) + 0.06) / (COLUMN - 0.12 - NAMES) if word else 0
        ax.text(after, y + 0.08, row.share, transform=at, va="center", color=SOFT)
        small = min(TEXT, TEXT * MOST_LETTERS / len(row.label))
        ax.text(0, y + 0.215, row.label, transform=at, va="center", size=small)
        y += HEAD
        ends = [y - 0.02, y + LINE * len(row.marks)]
        ax.plot([null, null], ends, color=INK, linewidth=0.7)
        for index, mark in enumerate(row.marks):
            shade = CLAIM if index else colour
            draw_mark(ax, y + LINE / 2, mark, None if index else look, colour=shade, ratio=ratio)
            who = shortened(mark.who, 24)
            ax.text(1.03, y + LINE / 2, who, transform=at, va="center", size=TEXT - 1)
            y += LINE
        y += GAP
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.spines["left"].set_visible(False)


def draw_mark(
    ax: Axes, y: float, mark: Mark, look: VerdictLook | None, *, colour: str, ratio: bool
) -> None:
    """Draw a delta, its interval and its seeds at height ``y``; an arrow for a bound.

    look: that of the verdict; None for a source, and for what has no verdict.
    """
    open_low = mark.low == (0 if ratio else -math.inf)
    open_high = mark.high == math.inf
    marker = look.marker if look else "D" if colour == CLAIM else "o"
    if open_low or open_high:  # a bound, from times that were censored
        marker = "d" if open_low and open_high else "<" if open_low else ">"
    ends = [
        end
        for end, is_open in ((mark.low, open_low), (mark.high, open_high))
        if not is_open and not math.isnan(end)
    ]
    ax.plot([mark.delta, *ends], [y] * (1 + len(ends)), color=colour, linewidth=1.4)
    if mark.seeds:
        ax.plot(
            mark.seeds, [y] * len(mark.seeds), "|", color=GREY, markersize=5, markeredgewidth=0.8
        )
    filled = look.filled if look else colour != CLAIM
    face = {} if filled else {"markerfacecolor": "#ffffff"}
    ax.plot(mark.delta, y, marker, color=colour, markersize=4.5, **face)  # type: ignore[arg-type]
