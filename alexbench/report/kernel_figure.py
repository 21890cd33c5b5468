"""The figure of the two columns' first kernels, with how far apart they are in colour."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from alexbench.analysis import stats
from alexbench.report.figures import plain_style
from alexbench.runs import kernel_colour
from alexbench.runs.metric_values import kernel_saturations
from alexbench.runs.pictures import Pictures, from_png
from alexbench.runs.record import RunRecord


def kernels(records: Sequence[RunRecord], kept: Sequence[Pictures]) -> Figure | None:
    """Return the kernels of every net with columns that was pictured; None without one."""
    by_id = {record.run_id: record for record in records}
    shown = [
        (pictures.variant, [from_png(kernel) for kernel in pictures.kernels])
        for pictures in kept
        if kernel_saturations(by_id[pictures.run_id]) and len(pictures.kernels) > 1
    ]
    return draw(shown) if shown else None


def caption(records: Sequence[RunRecord]) -> str:
    """Return the gap of each variant over its seeds, beside what chance would give; or nothing."""
    lines = []
    for variant in dict.fromkeys(record.variant for record in records):
        mine = [record for record in records if record.variant == variant]
        found = [each for run in mine if (each := kernel_saturations(run))]
        if found:
            gaps = [kernel_colour.gap(each) for each in found]
            chance = stats.mean([kernel_colour.shuffled_gap(each) for each in found])
            spread = f", sd {stats.sd(gaps):.2f} over {len(gaps)} seeds" if len(gaps) > 1 else ""
            lines.append(f"{variant} {stats.mean(gaps):.2f}{spread} (dealt by chance {chance:.2f})")
    if not lines:
        return ""
    return (
        "Kernels of conv1, a block a column (Figure 3). Gap between the columns' mean colour "
        f"saturations, in points: {'; '.join(lines)}."
    )


def draw(shown: Sequence[tuple[str, Sequence[np.ndarray]]]) -> Figure:
    """Draw the kernels of the first layer as in Figure 3, a row a net, a block a column.

    ``shown``: titles and pictures (height, width, 3) uint8, those of the first column first.
    """
    with plain_style():
        figure = Figure(figsize=(6.4, 0.3 + 1.9 * len(shown)), layout="constrained")
        axes = figure.subplots(len(shown), 2, squeeze=False)
        for (title, pictures), row in zip(shown, axes, strict=True):
            half = len(pictures) // 2
            for ax, block, name in zip(row, (pictures[:half], pictures[half:]), "ab", strict=True):
                ax.imshow(tiled(block), interpolation="nearest")
                ax.set_axis_off()
                ax.set_title(f"{title}, column {name}", fontsize=8)
    return figure


def tiled(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures of one size on white, a pixel apart, twice as many in a row as in a column."""
    height, width, _ = pictures[0].shape
    in_row = math.ceil(math.sqrt(2 * len(pictures)))
    in_column = -(-len(pictures) // in_row)
    sheet = np.full((in_column * (height + 1), in_row * (width + 1), 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // in_row * (height + 1), index % in_row * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    return sheet
