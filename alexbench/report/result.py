"""A result in hand: the records of an ablation under a profile, with tables and figures of them."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
from matplotlib.figure import Figure

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.pairs import at_best_rate
from alexbench.config.ablation import Ablation
from alexbench.config.yaml_file import hint
from alexbench.errors import BadInput
from alexbench.report import build, figures, forest, rebuild, svg
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord

Plot = Literal["curves", "forest"]


@dataclass(frozen=True)
class Result:
    """What was measured of one ablation under one profile.

    ``rows``: the comparison, as dataclasses. ``records``: the runs behind it.
    """

    ablation: Ablation
    folder: Path
    records: Sequence[RunRecord]
    rows: Sequence[ComparisonRow]

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """A row a claim, or a metric of a variant: the columns of comparison.csv."""
        names = [field.name for field in fields(ComparisonRow)]
        return pd.DataFrame([vars(row) for row in self.rows], columns=names)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run and metric: variant, seed, learning rate, status, metric, value, censored."""
        asked = dict.fromkeys([*self.ablation.metrics, *(row.metric for row in self.rows)])
        return pd.DataFrame(
            [
                told_of(run) | {"metric": name, "value": read.value, "censored": read.censored}
                for run in self.records
                for name in asked
                if not math.isnan((read := metric_values.read(name, run)).value)
            ]
        )

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row a run and epoch: variant, seed, learning rate, then the columns of the history."""
        return pd.DataFrame(
            [told_of(run) | dict(row) for run in self.records for row in run.history]
        )

    def plot(self, kind: Plot = "curves") -> Figure:
        """Draws a figure: curves (error against epoch) or forest (deltas with intervals).

        Raises BadInput for another kind, and where the records have nothing to draw.
        """
        if kind == "curves":
            best = at_best_rate(self.records, self.ablation.metrics[0])
            return figures.curves(list(self.ablation.variants), best)
        if kind == "forest":
            rows = [row for row in self.rows if row.claim and row.kind == "difference"]
            return forest.draw([svg.forest_row(row) for row in rows], "points", ratio=False)
        raise BadInput(
            f"plot: {kind!r} is unknown{hint(kind, get_args(Plot))}; allowed are "
            f"{', '.join(get_args(Plot))}"
        )

    def _repr_html_(self) -> str:
        """The question, the finding and the verdicts, for a notebook."""
        ablation = self.ablation
        finding = ablation.finding_for(self.folder.name)
        told = build.headline([row for row in self.rows if row.verdict] or self.rows[:12])
        table = pd.DataFrame(told.rows, columns=told.columns).to_html(index=False)
        return (
            f"<h4>{escape(ablation.title)}, {escape(self.folder.name)}</h4>"
            f"<p>{escape(ablation.question)}</p>"
            + (f"<p><b>{escape(finding)}</b></p>" if finding else "")
            + f"{table}<p>{len(self.records)} runs in <code>{escape(str(self.folder))}</code></p>"
        )

    def __repr__(self) -> str:
        """One line: what it is, and where."""
        return f"Result({self.ablation.name!r}, {self.folder.name!r}, {len(self.records)} runs)"


def told_of(run: RunRecord) -> dict[str, object]:
    """What tells a run from the others."""
    return {
        "variant": run.variant,
        "seed": run.seed,
        "train.lr": run.config["train"]["lr"],
        "status": run.status,
    }


def load(name: str, profile: str, results: Path) -> Result:
    """The result that lies below ``results``; raises BadInput where there is none.

    profile: the name of its folder, so with its settings: ``laptop,train.epochs=1``.
    """
    folder = results / Path(name).stem / profile
    return of_folder(rebuild.ablation_of(name, folder), folder)


def of_folder(ablation: Ablation, folder: Path, planned: Container[str] | None = None) -> Result:
    """The result of an ablation whose records are in ``folder``; raises BadInput.

    planned: the ids of the runs that count; None: all.
    """
    records, _ = build.read(ablation, folder, planned)
    return Result(ablation, folder, records, build.comparison(ablation, folder.name, records))
