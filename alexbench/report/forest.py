"""The forest plot: each delta with its interval beside what the sources report."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from alexbench.report.figures import GREY, PANEL_INCHES, plain_style


class Mark(NamedTuple):
    """A delta with its interval: measured here or reported by a source."""

    who: str  # measured, paper, notebook or replication
    delta: float
    low: float
    high: float


class ForestRow(NamedTuple):
    """A row of the forest plot."""

    label: str
    marks: Sequence[Mark]


FOREST_MARKS = {
    "measured": ("#0072B2", "o", "full"),
    "paper": ("#D55E00", "D", "none"),
    "notebook": ("#009E73", "s", "none"),
    "replication": (GREY, "x", "full"),
}


def draw(rows: Sequence[ForestRow], unit: str, *, ratio: bool) -> Figure:
    """Draw deltas with their 95% intervals, row under row, beside what the sources report."""
    with plain_style():
        height = 0.8 + sum(0.3 + 0.17 * len(row.marks) for row in rows)
        figure = Figure(figsize=(PANEL_INCHES[0], height), layout="constrained")
        ax = figure.subplots()
        null, y = (1 if ratio else 0), 0.0
        for row in rows:
            ax.text(0, y, row.label, transform=ax.get_yaxis_transform(), va="center", weight="bold")
            rows_end = y + len(row.marks) + 0.5
            ax.plot([null, null], [y + 0.5, rows_end], color="#000000", linewidth=0.8)
            for mark in row.marks:
                y += 1
                draw_mark(ax, y, mark)
            y += 1.6
        for who in [w for w in FOREST_MARKS if any(m.who == w for row in rows for m in row.marks)]:
            colour, marker, fill = FOREST_MARKS[who]
            ax.plot([], [], marker, color=colour, fillstyle=fill, label=who)
        ax.set(ylim=(y - 0.6, -1), yticks=[], xlabel=unit, xscale="log" if ratio else "linear")
        ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.spines["left"].set_visible(False)
        figure.legend(frameon=False, ncols=2, loc="outside lower center")
    return figure


def draw_mark(ax: Axes, y: float, mark: Mark) -> None:
    """Draws a delta and its interval at height ``y``; an arrow for a bound."""
    colour, marker, fill = FOREST_MARKS[mark.who]
    open_low, open_high = mark.low in (0, -math.inf), mark.high == math.inf
    if open_low or open_high:  # a bound, from times that were censored
        marker = "d" if open_low and open_high else "<" if open_low else ">"
    ends = [end for end, is_open in ((mark.low, open_low), (mark.high, open_high)) if not is_open]
    ax.plot([mark.delta, *ends], [y] * (1 + len(ends)), color=colour, linewidth=1.2)
    ax.plot(mark.delta, y, marker, color=colour, fillstyle=fill, markersize=5)
