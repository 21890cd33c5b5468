"""The figure of the two columns' first kernels, with how far apart they are in colour."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from alexbench.analysis import stats
from alexbench.report import figures
from alexbench.runs import kernel_colour
from alexbench.runs.pictures import Pictures, from_png
from alexbench.runs.record import RunRecord


def kernels(records: Sequence[RunRecord], kept: Sequence[Pictures]) -> Figure | None:
    """Return the kernels of every net with columns that was pictured; None without one."""
    by_id = {record.run_id: record for record in records}
    shown = [
        (pictures.variant, [from_png(kernel) for kernel in pictures.kernels])
        for pictures in kept
        if by_id[pictures.run_id].measurements.get("kernel_saturations")
    ]
    return figures.kernels(shown) if shown else None


def caption(records: Sequence[RunRecord]) -> str:
    """Return the gap of each variant over its seeds, beside what chance would give; or nothing."""
    lines = []
    for variant in dict.fromkeys(record.variant for record in records):
        mine = [record for record in records if record.variant == variant]
        found = [each for run in mine if (each := run.measurements.get("kernel_saturations"))]
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
