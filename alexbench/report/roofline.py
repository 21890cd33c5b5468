"""The roofline: measured ceilings, each kernel a point. No torch here."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"conv": "tab:blue", "pool": "tab:green", "lrn": "tab:red", "train_step": "black"}
MARKERS = {"forward": "o", "backward": "^", "step": "s"}


def draw(table: pd.DataFrame) -> Figure:
    """Draw GFLOP/s over FLOPs a byte, both logarithmic, beside what a product and a copy reach.

    One point a shape and direction: the fastest of its arms.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    draw_ceilings(axes, table)
    best = table.loc[table.groupby(["kind", "shape", "direction"])["median_seconds"].idxmin()]
    for group, points in best.groupby(["kind", "direction"], sort=False):
        kind, direction = map(str, group)
        axes.plot(
            points["arithmetic_intensity"],
            points["gflop_per_second"],
            MARKERS[direction],
            color=COLOURS[kind],
            markersize=5,
            alpha=0.7,
            linestyle="none",
            label=f"{kind} {direction}",
        )
    axes.set(xscale="log", yscale="log", xlabel="FLOPs a byte", ylabel="GFLOP/s")
    axes.set_title("Fastest arm of each kernel, a matrix product and a copy", fontsize="medium")
    axes.legend(fontsize="x-small", frameon=False)
    return figure


def draw_ceilings(axes: Axes, table: pd.DataFrame) -> None:
    """A slanted line for the copy and a level one for the matrix product, for each precision."""
    reach = table["arithmetic_intensity"]
    intensities = np.geomspace(reach.min() / 2, reach.max() * 2, 200)
    for precision, first in table.groupby("precision", sort=False).first().iterrows():
        gemm, copy = first["gemm_gflop_per_second"], first["copy_gigabyte_per_second"]
        label = f"{precision}: {gemm:.3g} GFLOP/s, {copy:.3g} GB/s"
        axes.plot(intensities, np.minimum(gemm, intensities * copy), color="grey", label=label)
