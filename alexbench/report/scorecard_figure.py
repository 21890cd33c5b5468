"""The scorecard as a figure: measured / claimed of every claim on one axis, its verdict first."""

import math
import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.verdict import HALF
from alexbench.config import metrics
from alexbench.report import scorecard, text
from alexbench.report.figures import CLAIM, GREY, INK, SOFT, ZONE, place, plain_style
from alexbench.report.scorecard import Line, Scorecard
from alexbench.report.verdicts import LOOKS

WIDE = 9.2
ROW, HEAD = 0.185, 0.36  # inches: a row, and the title above a block
AXIS = (4.15, 2.15)  # inches: where the axis begins, and how wide it is
WORD, CLAIM_AT, WHAT, MEASURED, CLAIMED, N = 0.24, 1.24, 2.28, 6.4, 7.72, 9.1
SHARES, POINTS = (-4.0, 5.0), (-4.0, 4.0)  # what lies beyond is a chevron with its number
MOST_LETTERS = 31


def draw(card: Scorecard) -> Figure:
    """Draw the tally, and a block each for photographs, letters, and claims without a size."""
    blocks = [
        ("On photographs", card.photographs, False),
        ("Letters only so far, first question of each claim", card.letters, False),
        ("Claims of a direction, without a size (points)", card.without_size, True),
    ]
    blocks = [block for block in blocks if block[1]]
    notes = [part for note in scorecard.notes(card) for part in wrapped(note)]
    height = 0.62 + sum(HEAD + ROW * len(lines) + 0.3 for _, lines, _ in blocks)
    height += 0.15 * len(notes) + 0.1
    with plain_style():
        figure = Figure(figsize=(WIDE, height))
        write(figure, 0.1, 0.14, scorecard.tally(card.lines(), card.cost), weight="bold", size=10)
        write(figure, 0.1, 0.37, subtitle(card), color=SOFT)
        top = 0.62
        for title, lines, points in blocks:
            tall = ROW * len(lines)
            write(figure, 0.1, top + 0.08, title, weight="bold")
            for at, said in ((MEASURED, "measured [95% CI]"), (CLAIMED, "claimed")):
                write(figure, at, top + 0.08, said, color=SOFT)
            write(figure, N, top + 0.08, "n", color=SOFT, ha="right")
            ax = place(figure, AXIS[0], height - top - HEAD - tall, AXIS[1], tall)
            draw_block(ax, lines, points=points)
            top += HEAD + tall + 0.3
        for index, note in enumerate(notes):
            write(figure, 0.1, top + 0.05 + 0.15 * index, note, color=SOFT)
    return figure


def write(figure: Figure, left: float, top: float, said: str, **how: Any) -> None:
    """Write at these inches from the left and from the top of the figure."""
    wide, high = figure.get_size_inches()
    figure.text(left / wide, 1 - top / high, said, va="center", **how)


def subtitle(card: Scorecard) -> str:
    """What the picture shows, in a line."""
    rates = "; each arm at one rate, unless the row says more"
    some = any(text.at_one_rate(line.row) for line in card.lines())
    return (
        "Each claim on the strongest data that it was measured on. Bar: measured with its 95% "
        f"interval; thin: the source's own{rates if some else ''}"
    )


def wrapped(note: str, most: int = 150) -> list[str]:
    """A note as lines that fit the figure."""
    lines = [""]
    for word in note.split(" "):
        if len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] += f"{word} "
    return [line.strip() for line in lines]


def draw_block(ax: Axes, lines: Sequence[Line], *, points: bool) -> None:
    """Draw a row a line: mark and verdict, claim, axis, what was measured, what is claimed, n.

    points: the axis is the delta in points, else measured / claimed.
    """
    low, high = POINTS if points else SHARES
    ax.set(xlim=(low, high), ylim=(len(lines) - 0.5, -0.5), yticks=[])
    ax.spines["left"].set_visible(False)
    if not points:
        ax.axvspan(-HALF, HALF, color=ZONE, linewidth=0, zorder=0)
        ax.axvline(1, color=CLAIM, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
        above = ax.get_xaxis_transform()
        tall = 1 + 0.04 / (ROW * len(lines))
        for x, said, ha in ((0, "none", "center"), (1, "as claimed", "left")):
            colour = CLAIM if x else SOFT
            ax.text(x, tall, said, transform=above, va="bottom", ha=ha, color=colour)
    ax.axvline(0, color=INK, linewidth=0.8, zorder=1)
    ax.set_xticks(range(int(low), int(high) + 1, 2))
    ax.tick_params(axis="x", pad=1, length=2)
    label = "points, with minus without" if points else "measured / claimed"
    ax.set_xlabel(label, labelpad=0, fontsize=7)
    before = ""
    for y, line in enumerate(lines):
        draw_words(ax, y, line, first=line.row.claim != before)
        draw_source(ax, y, line.row, points)
        draw_line(ax, y, line.row, points)
        before = line.row.claim


def draw_words(ax: Axes, y: int, line: Line, *, first: bool) -> None:
    """Write the words of a row on both sides of the axis, the verdict first."""
    row, look = line.row, LOOKS[line.row.verdict]

    def say(left: float, said: str, **how: Any) -> None:
        x = (left - AXIS[0]) / AXIS[1]
        ax.text(x, y, said, transform=ax.get_yaxis_transform(), va="center", **how)

    ax.plot(
        (0.15 - AXIS[0]) / AXIS[1],
        y,
        look.marker,
        transform=ax.get_yaxis_transform(),
        color=look.colour,
        markerfacecolor=look.colour if look.filled else "none",
        markersize=5,
        clip_on=False,
    )
    sign = "†" if line.loses_its_sign else ""
    say(WORD, row.verdict + sign, color=look.colour, weight="bold")
    say(CLAIM_AT, row.claim if first else "", weight="bold")
    say(WHAT, what(line))
    say(MEASURED, text.signed(text.interval(row)))
    claimed = text.claimed(row, "paper" if text.claimed(row, "paper") != "-" else "notebook")
    say(CLAIMED, text.signed(re.sub(r" \(SE (.*)\)", r" ± \1", claimed)))
    say(N, str(row.num_pairs), ha="right")


def what(line: Line) -> str:
    """The metric of a row; its arm and regime where that is needed, and how many rows it hides."""
    row = line.row
    title = metrics.METRICS[row.metric].title.replace("the target training error", "target")
    said = re.sub(r"(\d%) training error", r"\1 training", title)
    if line.needs_arm:
        said = f"{row.variant_label}, {said}"
    if row.regime == "authors":
        said = f"authors, {row.rates} rates: {title}" if row.rates > 1 else f"authors: {title}"
    more = f" (+{len(line.more)})" if line.more else ""
    most = MOST_LETTERS - len(more)
    return (said if len(said) <= most else f"{said[: most - 1].rstrip()}…") + more


def draw_source(ax: Axes, y: int, row: ComparisonRow, points: bool) -> None:
    """Draw what the source reports: its 95% bar around 1, or an arrow towards its direction."""
    if points:
        if row.kind == "difference":
            towards = -0.7 if row.claimed_direction == "lower" else 0.7
            ax.plot([0, towards], [y + 0.3] * 2, color=CLAIM, linewidth=0.9)
            ax.plot(towards, y + 0.3, "<" if towards < 0 else ">", color=CLAIM, markersize=3)
        return
    paper = not math.isnan(row.paper_delta)
    delta, error = (
        (row.paper_delta, row.paper_se) if paper else (row.notebook_delta, row.notebook_se)
    )
    if not math.isnan(error) and delta:
        half = abs(text.SURE * error / delta)
        ends = [max(SHARES[0], 1 - half), min(SHARES[1], 1 + half)]
        ax.plot(ends, [y + 0.3] * 2, color=CLAIM, linewidth=0.8)
    ax.plot(1, y + 0.3, "D", color=CLAIM, markerfacecolor="#ffffff", markersize=2.6)


def draw_line(ax: Axes, y: int, row: ComparisonRow, points: bool) -> None:
    """Draw what was measured with its interval; beyond the axis a chevron with the number."""
    look = LOOKS[row.verdict]
    if points and row.kind != "difference":
        ax.text(0.12, y, "a ratio", color=GREY, va="center", fontsize=6.5)
        return
    value, low, high = (
        (row.delta, row.ci_low, row.ci_high)
        if points
        else (row.share, row.share_low, row.share_high)
    )
    left, right = POINTS if points else SHARES
    bar = [max(left, low), min(right, high)]
    if not math.isnan(low) and bar[0] < bar[1]:
        ax.plot(bar, [y, y], color=look.colour, linewidth=2, solid_capstyle="butt")
        for end, outside, marker in ((left, low < left, "<"), (right, high > right, ">")):
            if outside:
                ax.plot(end, y, marker, color=look.colour, markersize=3.5, clip_on=False)
    if left <= value <= right:
        face = look.colour if look.filled else "#ffffff"
        ax.plot(value, y, look.marker, color=look.colour, markerfacecolor=face, markersize=5)
    else:
        beyond = value < left
        end, marker = (left, "<") if beyond else (right, ">")
        ax.plot(end, y, marker, color=look.colour, markersize=3.5, clip_on=False)
        ax.text(
            left + 0.25 if beyond else right - 0.25,
            y,
            text.signed(f"{value:.0f}"),
            color=look.colour,
            va="center",
            ha="left" if beyond else "right",
            fontsize=6.5,
            weight="bold",
            bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.4},
        )
