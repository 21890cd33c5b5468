"""Curves and dots from records, and how every figure looks and is written.

Equal records give equal bytes, readable in grey print.

A variant has the same colour, line style and marker in every figure of its ablation: those of its
place in the file. Colours are Okabe and Ito's (jfly.uni-koeln.de/color), told apart by colour-blind
readers too.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alexbench.analysis import stats
from alexbench.config.metrics import Metric
from alexbench.runs import metric_values
from alexbench.runs.files import write_safely
from alexbench.runs.record import RunRecord

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#7a7a7a"
PANELS = {"train_error": "training error (%)", "test_error": "test error (%)"}
PANEL_INCHES = (4.6, 3.4)


class Look(NamedTuple):
    """How a variant is drawn."""

    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str


def look(index: int) -> Look:
    """Return the look of the variant at that place in its ablation's file."""
    return Look(
        COLOURS[index % len(COLOURS)], LINES[index % len(LINES)], MARKERS[index % len(MARKERS)]
    )


@contextmanager
def plain_style() -> Iterator[None]:
    """Matplotlib's own defaults, whatever the user's matplotlibrc says."""
    with matplotlib.style.context("default"), mpl.rc_context({"svg.hashsalt": "alexbench"}):
        mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
        yield


def panels(records: Sequence[RunRecord]) -> list[str]:
    """Return the errors that every run measured (the clean training pass is optional)."""
    return [key for key in PANELS if all(errors(run, key) for run in records)]


def curves(
    variants: Sequence[str], records: Sequence[RunRecord], keys: Sequence[str] | None = None
) -> Figure:
    """Draw error against epoch, a panel a key of the history.

    A thin line a run; the mean and a band of one standard deviation over the epochs that every
    run of a variant has; the target training error where there is one.
    """
    keys = panels(records) if keys is None else keys
    with plain_style():
        width, height = PANEL_INCHES
        figure = Figure(figsize=(width * len(keys), height), layout="constrained")
        axes = figure.subplots(1, len(keys), squeeze=False)[0]
        for key, ax in zip(keys, axes, strict=True):
            for index, variant in enumerate(variants):
                runs = [run for run in records if run.variant == variant]
                if runs:
                    draw_variant(ax, key, variant, look(index), runs)
            ax.set(xlabel="epoch", ylabel=PANELS[key])
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            ax.grid(alpha=0.25, linewidth=0.5)
            if key == "train_error":
                draw_target(ax, records)
        axes[-1].legend(frameon=False)
    return figure


def draw_variant(ax: Axes, key: str, variant: str, look: Look, runs: Sequence[RunRecord]) -> None:
    """Draws the runs of a variant: thin lines, their mean, a band of one deviation."""
    seeds = [errors(run, key) for run in runs]
    lines = [list(enumerate(seed, start=1)) for seed in seeds]
    ax.add_collection(LineCollection(lines, colors=look.colour, linewidths=0.5, alpha=0.3))
    common = min(len(seed) for seed in seeds)
    epochs = list(range(1, common + 1))
    columns = [[seed[index] for seed in seeds] for index in range(common)]
    means = [stats.mean(column) for column in columns]
    diverged = sum(run.status == "diverged" for run in runs)
    ax.plot(
        epochs,
        means,
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markersize=4,
        markevery=-(-common // 6),  # six tell variants apart in grey and leave the dashes seen
        label=variant + (f" ({diverged} of {len(runs)} diverged)" if diverged else ""),
    )
    if len(seeds) > 1:
        spread = [stats.sd(column) for column in columns]
        low = [m - s for m, s in zip(means, spread, strict=True)]
        high = [m + s for m, s in zip(means, spread, strict=True)]
        ax.fill_between(epochs, low, high, color=look.colour, alpha=0.15, linewidth=0)


def draw_target(ax: Axes, records: Sequence[RunRecord]) -> None:
    """Draws a level line at the target training error, if there is one."""
    targets = {run.config["train"].get("target_train_error") for run in records}
    for target in sorted(each for each in targets if each is not None):
        ax.axhline(target, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        ax.annotate(
            f"target {target:g}%",
            (1, target),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color=GREY,
        )


def errors(run: RunRecord, key: str) -> list[float]:
    """Return a column of the history, up to the first epoch that has no value."""
    values: list[float] = []
    for row in run.history:
        value = metric_values.value_of(row, key)
        if value is None:
            break
        values.append(float(value))
    return values


def dots(metric: Metric, variants: Sequence[str], records: Sequence[RunRecord]) -> Figure:
    """Draw a dot a run: the variants side by side, a thin line through the runs of a seed, a bar
    at the mean. A censored run is an open dot."""
    readings = {(run.variant, run.seed): metric_values.read(metric.name, run) for run in records}
    shown = [variant for variant in variants if any(name == variant for name, _ in readings)]
    with plain_style():
        figure = Figure(figsize=PANEL_INCHES, layout="constrained")
        ax = figure.subplots()
        for seed in sorted({seed for _, seed in readings}):
            at = [i for i, variant in enumerate(shown) if (variant, seed) in readings]
            values = [readings[shown[i], seed].value for i in at]
            ax.plot(at, values, color=GREY, linewidth=0.5, alpha=0.6, zorder=1)
        for place, variant in enumerate(shown):
            colour, _, marker = look(list(variants).index(variant))
            mine = [reading for (name, _), reading in readings.items() if name == variant]
            for reading in mine:
                face = "none" if reading.censored else colour
                ax.plot(place, reading.value, marker, color=colour, markerfacecolor=face)
            mean = stats.mean([reading.value for reading in mine])
            ax.plot([place - 0.25, place + 0.25], [mean, mean], color=colour, linewidth=2)
        ax.set_xticks(range(len(shown)), shown, rotation=20 if len("".join(shown)) > 40 else 0)
        ax.set_ylabel(f"{metric.title} ({metric.unit})" if metric.unit else metric.title)
        ax.margins(x=0.15)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure as PNG without dates or versions in it; raises RunFailed."""
    buffer = io.BytesIO()
    with plain_style():
        figure.savefig(buffer, dpi=120, format="png", metadata={"Software": None})
    write_safely([buffer.getbuffer()], path)


def to_svg(figure: Figure, name: str, alternative: str) -> str:
    """Return the figure as an SVG element that fits its container and the page's colours.

    ``name`` makes its ids unique on the page; ``alternative`` is what a screen reader says.
    """
    with plain_style(), mpl.rc_context({"svg.fonttype": "none"}):
        buffer = io.StringIO()
        metadata = {key: None for key in ("Creator", "Date", "Format", "Type")}
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"#000000|\bblack\b", "currentColor", text)
    text = re.sub(r'^<svg ([^>]*?)\b(?:width|height)="[\d.]+pt" ', r"<svg \1", text)
    text = re.sub(r'^<svg ([^>]*?)\b(?:width|height)="[\d.]+pt" ', r"<svg \1", text)
    return f'<svg role="img" aria-label="{escape(alternative)}" {text.removeprefix("<svg ")}'
