"""The roofline: each kernel a point below the fastest that this machine was seen to go."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from alexbench.report.figures import COLOURS, COLUMN, GREY, INK, SOFT, place, plain_style

KINDS = {"conv": COLOURS[1], "pool": COLOURS[3], "lrn": COLOURS[2], "net": GREY, "train_step": INK}
MARKERS = {"conv": "o", "pool": "s", "lrn": "^", "net": "v", "train_step": "D"}
HIGH = 2.4  # inches of the axes


def draw(table: pd.DataFrame, machine: str) -> Figure:
    """Draw GFLOP/s over FLOPs a byte, both logarithmic, below a roof.

    One point a shape and direction: the fastest of its arms; open: backward. The roof is the
    fastest of all that was measured in each precision, kernels, matrix product and copy: no point
    lies above it, and none says that the machine could not go faster. machine: its name.
    """
    with plain_style():
        height = HIGH + 1.05
        figure = Figure(figsize=(COLUMN, height))
        ax = place(figure, 0.55, 0.85, COLUMN - 0.65, HIGH - 0.2)
        draw_roofline(ax, table)
        figure.text(0.06 / COLUMN, 1 - 0.06 / height, machine, va="top", weight="bold")
        note = "roof: the fastest call measured; dashed: matrix product; open: backward"
        figure.text(0.06 / COLUMN, 1 - 0.21 / height, note, va="top", color=SOFT, size=6.5)
        figure.legend(loc="lower center", ncols=5, frameon=False, handletextpad=0.1)
    return figure


def draw_roofline(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the roofs and the points."""
    for _, rows in table.groupby("precision", sort=False):
        draw_roof(ax, rows)
    best = table.loc[table.groupby(["kind", "shape", "direction"])["median_seconds"].idxmin()]
    for kind, direction, intensity, speed in zip(
        *(best[name] for name in ("kind", "direction", "arithmetic_intensity", "gflop_per_second")),
        strict=True,
    ):
        ax.plot(
            float(intensity),
            float(speed),
            MARKERS[kind],
            color=KINDS[kind],
            markerfacecolor="none" if direction == "backward" else KINDS[kind],
        )
    for kind in dict.fromkeys(best["kind"]):
        ax.plot([], [], MARKERS[kind], color=KINDS[kind], label=kind)
    ax.set(xscale="log", yscale="log", xlabel="FLOPs a byte", ylabel="GFLOP/s")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    ax.grid(alpha=0.25, linewidth=0.5)


def draw_roof(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw a slanted line and a level one; a line of dashes at what the matrix product reached."""
    gemm, copy = (
        float(rows[name].iloc[0]) for name in ("gemm_gflop_per_second", "copy_gigabyte_per_second")
    )
    top = max(gemm, float(rows["gflop_per_second"].max()))
    slope = max(copy, float(rows["gigabyte_per_second"].max()))
    left = float(rows["arithmetic_intensity"].min()) / 2
    right = max(float(rows["arithmetic_intensity"].max()) * 2, top / slope)
    ridge = top / slope
    ax.plot([left, ridge, right], [left * slope, top, top], color=INK, linewidth=1)
    ax.plot([gemm / slope, right], [gemm, gemm], color=GREY, linewidth=0.8, linestyle="--")
    said = f"{top:.3g} GFLOP/s, {slope:.3g} GB/s"
    precision = str(rows["precision"].iloc[0])
    ax.text(right, top * 1.08, f"{precision}: {said}", ha="right", va="bottom", size=6.5)
