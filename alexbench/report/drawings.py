"""The figures of one ablation: drawn once, and used as files and on its page."""

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from alexbench.config import metrics
from alexbench.report import curves, figures, forest, text
from alexbench.report.material import Material
from alexbench.runs import metric_values


class Drawing:
    """A figure with a name, a caption, and a text of what it shows; its SVG is made once."""

    def __init__(self, name: str, figure: Figure, caption: str, said: str) -> None:
        self.name, self.figure = name, figure
        self.caption = caption[0].upper() + caption[1:]
        self.said = said

    @cached_property
    def svg(self) -> str:
        """The figure as SVG in the colours of a file."""
        return figures.to_svg(self.figure)

    @property
    def inline(self) -> Markup:
        """The figure for a page, described by its caption and by what it says."""
        return Markup(figures.for_page(self.svg, self.name, f"{self.caption}. {self.said}"))

    def shown(self) -> Figure:
        """The figure as a notebook shows it: those of pyplot alone are shown by themselves."""
        svg = self.svg
        setattr(self.figure, "_repr_svg_", lambda: svg)  # noqa: B010
        return self.figure

    def save(self, folder: Path) -> list[Path]:
        """Write the figure as .svg, .pdf and .png below ``folder``; returns their paths."""
        return figures.save(self.figure, self.svg, folder / self.name)


def drawings(material: Material) -> dict[str, Drawing]:
    """Return the figures that the records allow, by their names: forest, rates, dots, curves."""
    return {each.name: each for each in drawn(material)}


def drawn(material: Material) -> Iterator[Drawing]:
    """Yield the figures; one that would show nothing is left out."""
    arms, records = figures.arms(material.ablation), material.at_best
    metric = metrics.METRICS[material.ablation.metrics[0]]
    if panels := forest.panels_of(material.comparison, material.records):
        said = "; ".join(
            f"{text.question(row)}: {text.interval(row)}"
            for row in material.comparison
            if row.role and not math.isnan(row.delta)
        )
        caption = "deltas with 95% intervals, a tick a seed, beside what sources report"
        yield Drawing("forest", forest.draw(panels, note(material)), caption, said)
    figure = curves.rates(arms, metric, material.tuning, material.records)
    if figure:
        caption = (
            f"{metric.title} against learning rate: a dot a tuning seed on held-back images, "
            "a cross a measured seed on the test, a ring at the chosen rate; open or x: not reached"
        )
        yield Drawing("rates", figure, caption, f"arms: {', '.join(arm.label for arm in arms)}")
    measured = [
        run for run in records if not math.isnan(metric_values.read(metric.name, run).value)
    ]
    if measured:
        caption = f"{metric.title}: a dot a run, a thin line a seed, a bar at the mean"
        if any(metric_values.read(metric.name, run).censored for run in measured):
            caption += ", an open dot where a run never got there"
        names = ", ".join(dict.fromkeys(run.variant for run in measured))
        said = f"{len(measured)} runs of {names}"
        yield Drawing("dots", curves.dots(arms, metric, measured), caption, said)
    if curves.panels(records) and not curves.same_nets(records):
        caption = "error against epoch: mean, range of the seeds, and a thin line a seed"
        if any(run.config["train"].get("target_train_error") is not None for run in records):
            caption += "; a tick where a seed reaches the target"
        yield Drawing("curves", curves.curves(arms, records), caption, ends(material))


def note(material: Material) -> str:
    """``cifar10, modern regime, at one rate; tick: a seed``: the note above the forest."""
    at_one_rate = any(row.role and text.at_one_rate(row) for row in material.comparison)
    said = [material.records[0].data["name"], f"{material.ablation.regime} regime"]
    said += ["at one rate"] if at_one_rate else []
    return f"{', '.join(said)}; bar: 95%, tick: a seed"


def ends(material: Material) -> str:
    """``none ends at 27.10%, both ends at 26.01%``: the mean error of each arm at its end."""
    key = curves.panels(material.at_best)[-1]
    said = []
    for name in material.ablation.variants:
        values = [curves.errors(run, key)[-1] for run in material.at_best if run.variant == name]
        if values:
            said.append(f"{name} ends at {text.value('%', sum(values) / len(values))}")
    return ", ".join(said)
