"""Figures from records: the same bytes from the same records, readable in grey print.

A variant has the same colour, line style and marker in every figure of its ablation: those of its
place in the file. Colours are Okabe and Ito's (jfly.uni-koeln.de/color), told apart by colour-blind
readers too.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from alexbench import stats
from alexbench.record import RunRecord

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PANELS = {
    "train_error": "training error (%)",
    "test_error": "test error (%)",
}


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


def curves(variants: Sequence[str], records: Sequence[RunRecord]) -> Figure:
    """Draw error against epoch: a thin line a run, the mean and a band of one standard deviation
    over the epochs that every run of a variant has, and the target where there is one."""
    panels = [key for key in PANELS if key == "test_error" or has(records, key)]
    with plain_style():
        figure = Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for key, ax in zip(panels, axes, strict=True):
            for index, variant in enumerate(variants):
                runs = [r for r in records if r.variant == variant and r.purpose == "measure"]
                if runs:
                    draw_variant(ax, key, variant, look(index), runs)
            ax.set(xlabel="epoch", ylabel=PANELS[key])
            ax.grid(alpha=0.25, linewidth=0.5)
        draw_target(axes[0], records)
        axes[-1].legend(frameon=False)
    return figure


def draw_variant(ax: Axes, key: str, variant: str, look: Look, runs: Sequence[RunRecord]) -> None:
    seeds = [[float(value) for value in errors(run, key)] for run in runs]
    lines = [list(enumerate(seed, start=1)) for seed in seeds]
    ax.add_collection(LineCollection(lines, colors=look.colour, linewidths=0.5, alpha=0.3))
    common = min(len(seed) for seed in seeds)
    epochs = list(range(1, common + 1))
    columns = [[seed[index] for seed in seeds] for index in range(common)]
    means = [stats.mean(column) for column in columns]
    diverged = sum(run.status == "diverged" for run in runs)
    label = variant + (f" ({diverged} of {len(runs)} diverged)" if diverged else "")
    every = -(-common // 6)  # six markers tell variants apart in grey and leave the dashes seen
    ax.plot(
        epochs,
        means,
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markersize=4,
        markevery=every,
        label=label,
    )
    if len(seeds) > 1:
        spread = [stats.sd(column) for column in columns]
        low = [m - s for m, s in zip(means, spread, strict=True)]
        high = [m + s for m, s in zip(means, spread, strict=True)]
        ax.fill_between(epochs, low, high, color=look.colour, alpha=0.15, linewidth=0)


def draw_target(ax: Axes, records: Sequence[RunRecord]) -> None:
    targets = {run.config["train"].get("target_train_error") for run in records} - {None}
    for target in sorted(targets):
        ax.axhline(target, color="#777777", linewidth=0.8, linestyle=(0, (2, 2)))
        ax.annotate(
            f"target {target:g}%",
            (1, target),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color="#777777",
        )


def has(records: Sequence[RunRecord], key: str) -> bool:
    """Say whether every run measured ``key`` (the clean training pass is optional)."""
    measured = [run for run in records if run.purpose == "measure"]
    return bool(measured) and all(errors(run, key) for run in measured)


def errors(run: RunRecord, key: str) -> list[float]:
    """The values of a history column, up to the first epoch that has none."""
    values = []
    for row in run.history:
        if row.get(key) is None:
            break
        values.append(row[key])
    return values


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure as PNG without dates or versions in it."""
    with plain_style():
        figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def to_svg(figure: Figure) -> str:
    """Return the figure as an SVG element, text as text, without dates or versions in it."""
    with plain_style(), mpl.rc_context({"svg.fonttype": "none"}):
        buffer = io.StringIO()
        metadata = {key: None for key in ("Creator", "Date", "Format", "Type")}
        figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
