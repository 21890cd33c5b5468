"""Figures of runs: error against epoch, error against learning rate, and a dot a run."""

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from alexbench.analysis import stats
from alexbench.analysis.pairs import by_rate, chosen
from alexbench.config.metrics import Metric
from alexbench.report.figures import (
    COLOURS,
    COLUMN,
    GREY,
    MARKERS,
    SOFT,
    ArmDrawn,
    name_the_ends,
    place,
    plain_style,
)
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord

PANELS = {"train_error": "training error (%)", "test_error": "test error (%)"}
HIGH = 1.75  # inches of a panel
LEFT, NAMES = 0.5, 1.0  # inches left of a panel, and right of it for the labels


def panels(records: Sequence[RunRecord]) -> list[str]:
    """Return the errors that every run measured (the clean training pass is optional)."""
    return [key for key in PANELS if all(errors(run, key) for run in records)]


def same_nets(records: Sequence[RunRecord]) -> bool:
    """Whether arms only test the nets of another in other ways, so that their curves are one."""
    arms: dict[str, list[tuple[int, list[float | None]]]] = {}
    for run in sorted(records, key=lambda run: run.seed):
        seen = [*errors(run, "test_error"), *(row["train_loss"] for row in run.history)]
        arms.setdefault(run.variant, []).append((run.seed, seen))
    return any(one == other for one, other in itertools.combinations(arms.values(), 2))


def curves(arms: Sequence[ArmDrawn], records: Sequence[RunRecord]) -> Figure:
    """Draw error against epoch, a panel an error of the history, one below the other."""
    keys = panels(records)
    with plain_style():
        height = 0.3 + len(keys) * (HIGH + 0.2) + 0.35
        figure = Figure(figsize=(COLUMN, height))
        for row, key in enumerate(keys):
            bottom = 0.42 + (len(keys) - 1 - row) * (HIGH + 0.2)
            ax = place(figure, LEFT, bottom, COLUMN - LEFT - NAMES, HIGH)
            draw_curves(ax, key, arms, records)
            if row < len(keys) - 1:
                ax.tick_params(labelbottom=False)
                ax.set_xlabel("")
        note = f"{said_of(records)}; line: mean, band: range of the seeds"
        figure.text(0.06 / COLUMN, 1 - 0.06 / height, note, va="top", color=SOFT)
    return figure


def said_of(records: Sequence[RunRecord]) -> str:
    """``cifar10, n = 6``: the data, and the seeds of each arm."""
    counts = [
        len({run.seed for run in records if run.variant == name})
        for name in dict.fromkeys(run.variant for run in records)
    ]
    seeds = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return f"{records[0].data['name']}, n = {seeds}"


def draw_curves(ax: Axes, key: str, arms: Sequence[ArmDrawn], records: Sequence[RunRecord]) -> None:
    """Draw a thin line a run, and of each arm the mean and the range over the epochs of all runs.

    Where there is a target, each run's line goes to the epoch of its crossing, which is marked.
    """
    ends = []
    for arm in arms:
        runs = [run for run in records if run.variant == arm.name]
        if runs:
            ends.append((arm, *draw_arm(ax, key, arm, runs)))
    ax.set(xlabel="epoch", ylabel=PANELS[key])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(alpha=0.25, linewidth=0.5)
    if key == "train_error":
        draw_target(ax, records)
    name_the_ends(ax, ends, key)


def draw_arm(ax: Axes, key: str, arm: ArmDrawn, runs: Sequence[RunRecord]) -> tuple[float, float]:
    """Draw the runs of an arm; returns where its mean ends."""
    colour, line, marker = arm.look
    seeds = [errors(run, key) for run in runs]
    lines = [list(enumerate(seed, start=1)) for seed in seeds]
    ax.add_collection(
        LineCollection(
            lines, colors=colour, linewidths=0.4, alpha=0.35, gid=f"arm{arm.place}-seeds-{key}"
        )
    )
    common = min(len(seed) for seed in seeds)
    epochs = list(range(1, common + 1))
    columns = [[seed[index] for seed in seeds] for index in range(common)]
    means = [stats.mean(column) for column in columns]
    ax.plot(
        epochs,
        means,
        color=colour,
        linestyle=line,
        marker=marker,
        markersize=3,
        markevery=-(-common // 6),  # six tell arms apart in grey and leave the dashes seen
        label=arm.name,
        gid=f"arm{arm.place}-mean-{key}",
    )
    if len(seeds) > 1:
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        band = ax.fill_between(epochs, low, high, color=colour, alpha=0.14, linewidth=0)
        band.set_gid(f"arm{arm.place}-band-{key}")
    if key == "train_error":
        mark_crossings(ax, arm, runs)
    return epochs[-1], means[-1]


def mark_crossings(ax: Axes, arm: ArmDrawn, runs: Sequence[RunRecord]) -> None:
    """Mark where each run reaches the target training error."""
    reached = [
        (reading.value, run.config["train"]["target_train_error"])
        for run in runs
        if run.config["train"].get("target_train_error") is not None
        for reading in [metric_values.read("epochs_to_target", run)]
        if not reading.censored and not math.isnan(reading.value)
    ]
    if reached:
        ax.plot(
            *zip(*reached, strict=True),
            "|",
            color=arm.look.colour,
            markersize=7,
            markeredgewidth=1.2,
            gid=f"arm{arm.place}-reached",
        )


def draw_target(ax: Axes, records: Sequence[RunRecord]) -> None:
    """Draw a level line at the target training error, if there is one."""
    targets = {run.config["train"].get("target_train_error") for run in records}
    for target in sorted(each for each in targets if each is not None):
        ax.axhline(target, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        ax.annotate(
            f"target {target:g}%",
            (0.01, target),
            xycoords=("axes fraction", "data"),
            va="top",
            color=SOFT,
        )


def errors(run: RunRecord, key: str) -> list[float]:
    """Return an error of the history, up to the first epoch that has no value.

    The training error is the one that the target is for, where a run has a target of the running
    pass.
    """
    column = [metric_values.value_of(row, key) for row in run.history]
    if key == "train_error" and run.config["train"].get("target_pass") == "running":
        column = metric_values.target_errors(run)
    values: list[float] = []
    for value in column:
        if value is None:
            break
        values.append(float(value))
    return values


def rates(
    arms: Sequence[ArmDrawn],
    metric: Metric,
    tuning: Sequence[RunRecord],
    measured: Sequence[RunRecord],
) -> Figure | None:
    """Draw the metric against the learning rate; None where each arm has one rate alone."""
    tried = {(run.variant, run.config["train"]["lr"]) for run in (*tuning, *measured)}
    if len(tried) == len({name for name, _ in tried}):
        return None
    with plain_style():
        height = 0.42 + 2.1 + 0.32
        figure = Figure(figsize=(COLUMN, height))
        ax = place(figure, LEFT, 0.42, COLUMN - LEFT - NAMES, 2.1)
        draw_rates(ax, arms, metric, tuning, measured)
        note = f"{measured[0].data['name']}; line: mean of tuning, + measured seed, ring: chosen"
        figure.text(0.06 / COLUMN, 1 - 0.06 / height, note, va="top", color=SOFT)
    return figure


def draw_rates(
    ax: Axes,
    arms: Sequence[ArmDrawn],
    metric: Metric,
    tuning: Sequence[RunRecord],
    measured: Sequence[RunRecord],
) -> None:
    """Draw every tuning seed as a dot and every measured one as a cross, a line through the means.

    Tuning is scored on held-back images, the measured seeds on the test. An open dot was censored:
    at least so much. A ring is around the mean at the rate that was chosen.
    """
    ends = []
    for arm in arms:
        tried = [run for run in tuning if run.variant == arm.name]
        mine = [run for run in measured if run.variant == arm.name]
        if tried or mine:
            ends.append((arm, *draw_rates_of(ax, arm, metric, tried, mine)))
    ax.set_xscale("log")
    every = sorted({float(run.config["train"]["lr"]) for run in (*tuning, *measured)})
    ax.xaxis.set_major_locator(FixedLocator(thinned(every)))
    ax.xaxis.set_major_formatter(lambda rate, _: f"{rate:.2g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="learning rate", ylabel=named(metric))
    ax.grid(alpha=0.25, linewidth=0.5)
    name_the_ends(ax, ends, "rates")


def draw_rates_of(
    ax: Axes, arm: ArmDrawn, metric: Metric, tried: Sequence[RunRecord], mine: Sequence[RunRecord]
) -> tuple[float, float]:
    """Draw the rates of one arm; returns where its line ends."""
    colour, line, marker = arm.look
    runs = tried or mine
    seen = {
        rate: [metric_values.read(metric.name, run) for run in seeds.values()]
        for rate, seeds in by_rate(runs).items()
    }
    for rate, readings in seen.items():
        for reading in readings:
            ax.plot(
                rate,
                reading.value,
                marker,
                color=colour,
                markerfacecolor="none" if reading.censored else colour,
                markersize=3.5,
                alpha=0.8,
            )
    if tried:
        values = [(run.config["train"]["lr"], metric_values.read(metric.name, run)) for run in mine]
        for late in (False, True):
            shown = [(rate, each.value) for rate, each in values if each.censored == late]
            if shown:
                mark = "x" if late else "+"
                ax.plot(*zip(*shown, strict=True), mark, color=colour, markersize=3.5, alpha=0.7)
    means = {rate: stats.mean([each.value for each in found]) for rate, found in seen.items()}
    ax.plot(list(means), list(means.values()), color=colour, linestyle=line, linewidth=1)
    picked = chosen(mine[0]).get("train.lr") if mine else None
    for rate, mean in means.items():
        if picked and math.isclose(rate, float(picked), rel_tol=1e-3):
            ax.plot(rate, mean, "o", color=colour, markersize=9, markerfacecolor="none")
    return list(means.items())[-1]


def thinned(rates: Sequence[float]) -> list[float]:
    """Those of the rates whose labels would not touch on the logarithmic axis: six at most."""
    apart = (rates[-1] / rates[0]) ** (1 / 5.5)
    kept: list[float] = []
    for rate in rates:
        if not kept or rate >= apart * kept[-1]:
            kept.append(rate)
    return kept


def named(metric: Metric) -> str:
    """The title and unit of a metric for an axis, on two lines if it is long."""
    said = f"{metric.title} ({metric.unit})" if metric.unit else metric.title
    return textwrap.fill(said, 30)


def dots(arms: Sequence[ArmDrawn], metric: Metric, records: Sequence[RunRecord]) -> Figure:
    """Draw the runs of the arms side by side."""
    shown = [arm for arm in arms if any(run.variant == arm.name for run in records)]
    longest = max(len(arm.label) for arm in shown)
    turned = 0.14 * max(len(arm.label) for arm in shown) > (COLUMN - LEFT) / len(shown) * 1.6
    low = 0.3 + (0.06 * longest if turned else 0)
    with plain_style():
        height = low + 1.9 + 0.3
        figure = Figure(figsize=(COLUMN, height))
        draw_dots(place(figure, LEFT, low, COLUMN - LEFT - 0.1, 1.9), shown, metric, records)
        if turned:
            figure.axes[0].tick_params(axis="x", rotation=90)
        note = f"{said_of(records)}; thin line: a seed, bar: mean"
        figure.text(0.06 / COLUMN, 1 - 0.06 / height, note, va="top", color=SOFT)
    return figure


def draw_dots(
    ax: Axes, arms: Sequence[ArmDrawn], metric: Metric, records: Sequence[RunRecord]
) -> None:
    """Draw a dot a run, a thin line through the runs of a seed, a bar at the mean.

    A censored run is an open dot.
    """
    readings = {(run.variant, run.seed): metric_values.read(metric.name, run) for run in records}
    for seed in sorted({seed for _, seed in readings}):
        at = [i for i, arm in enumerate(arms) if (arm.name, seed) in readings]
        values = [readings[arms[i].name, seed].value for i in at]
        ax.plot(at, values, color=GREY, linewidth=0.5, alpha=0.6, zorder=1)
    for index, arm in enumerate(arms):
        colour, _, marker = arm.look
        mine = [reading for (name, _), reading in readings.items() if name == arm.name]
        for reading in mine:
            face = "none" if reading.censored else colour
            ax.plot(index, reading.value, marker, color=colour, markerfacecolor=face)
        mean = stats.mean([reading.value for reading in mine])
        ax.plot([index - 0.25, index + 0.25], [mean, mean], color=colour, linewidth=2)
    ax.set_xticks(range(len(arms)), [arm.label for arm in arms])
    ax.set_ylabel(named(metric))
    ax.margins(x=0.15)


def paired(
    baseline: Mapping[int, float],
    variant: Mapping[int, float],
    labels: tuple[str, str],
    metric: Metric,
) -> Figure:
    """Draw the values of two arms by seed, joined where both have the seed; a small figure."""
    with plain_style():
        figure = Figure(figsize=(2.4, 1.7))
        ax = place(figure, 0.55, 0.25, 1.8, 1.4)
        for seed in sorted(baseline.keys() & variant.keys()):
            ax.plot([0, 1], [baseline[seed], variant[seed]], color=GREY, linewidth=0.6)
        for x, (arm, colour) in enumerate(((baseline, COLOURS[0]), (variant, COLOURS[1]))):
            values = list(arm.values())
            ax.plot([x] * len(values), values, MARKERS[x], color=colour, markersize=3.5)
            mean = stats.mean(values)
            ax.plot([x - 0.2, x + 0.2], [mean, mean], color=colour, linewidth=1.6)
        ax.set_xticks([0, 1], list(labels))
        ax.set(xlim=(-0.5, 1.5), ylabel=textwrap.fill(named(metric).replace("\n", " "), 24))
    return figure
