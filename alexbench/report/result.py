"""A result in hand: the records of an ablation under a profile, with tables and figures of them."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from matplotlib.figure import Figure

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config.ablation import Ablation
from alexbench.config.describe import text
from alexbench.config.names import ablation_name
from alexbench.config.overrides import parse_settings
from alexbench.config.yaml_file import hint
from alexbench.errors import BadInput, shown
from alexbench.report import build, csv_files, index, rebuild, scorecard
from alexbench.report.drawings import drawn
from alexbench.report.material import Material
from alexbench.runs import asked_with
from alexbench.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

Plot = Literal["curves", "forest", "rates", "dots", "scorecard"]


@dataclass(frozen=True)
class Result:
    """What was measured of one ablation under one profile."""

    material: Material

    @property
    def ablation(self) -> Ablation:
        """The ablation, as it was asked."""
        return self.material.ablation

    @property
    def folder(self) -> Path:
        """The folder of records, tables and figures: results/<ablation>/<profile>."""
        return self.material.folder

    @property
    def records(self) -> Sequence[RunRecord]:
        """The records of the measured runs."""
        return self.material.records

    @property
    def rows(self) -> Sequence[ComparisonRow]:
        """The comparison, as dataclasses."""
        return self.material.comparison

    @cached_property
    def comparison(self) -> "pd.DataFrame":
        """A row a claim, or a metric of a variant: the columns of comparison.csv."""
        return build.frame(ComparisonRow, list(self.rows))

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """A row a run and metric that it measured: the columns of runs.csv."""
        import pandas as pd

        rows = csv_files.run_rows(self.ablation, self.material.profile, self.records)
        return pd.DataFrame(list(rows), columns=list(csv_files.RUN_COLUMNS))

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row a run and epoch: the columns of history.csv."""
        import pandas as pd

        return pd.DataFrame(
            [
                csv_files.told_of(self.ablation, self.material.profile, run) | dict(row)
                for run in self.records
                for row in run.history
            ]
        )

    def plot(self, kind: Plot = "curves") -> Figure:
        """Draws a figure.

        curves: error against epoch. forest: deltas with their intervals beside what sources report.
        rates: error against learning rate. dots: a dot a run. scorecard: the claims of every
        ablation in the folder of results. Raises BadInput for another kind, and where the records
        have nothing to draw.
        """
        if kind not in get_args(Plot):
            raise BadInput(
                f"plot: {kind!r} is unknown{hint(kind, get_args(Plot))}; allowed are "
                f"{', '.join(get_args(Plot))}"
            )
        if kind == "scorecard":
            card = scorecard.scorecard(
                build.read_tables(self.folder.parent.parent, lambda line: None)
            )
            found = index.drawing(card, kind) if card.lines() else None
        else:
            found = next((each for each in drawn(self.material) if each.name == kind), None)
        if found is None:
            raise BadInput(f"plot: {self.folder} has nothing to draw for {kind!r}")
        return found.shown()

    def _repr_html_(self) -> str:
        """The question, the finding and the verdicts, for a notebook."""
        title, name = escape(self.ablation.title), escape(self.material.profile)
        told = build.headline([row for row in self.rows if row.verdict] or self.rows[:12])
        head, *body = (
            "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            for cells in (told.columns, *told.rows)
        )
        table = "".join(f"<tr>{cells}</tr>" for cells in body)
        finding = self.material.finding
        return (
            f"<h4>{title}, {name}</h4><p>{escape(self.ablation.question)}</p>"
            + (f"<p><b>{escape(finding)}</b></p>" if finding else "")
            + f"<table><thead><tr>{head}</tr></thead><tbody>{table}</tbody></table>"
            f"<p>{len(self.records)} runs in <code>{escape(str(self.folder))}</code></p>"
        )

    def __repr__(self) -> str:
        """One line: what it is, and where."""
        return (
            f"Result({self.ablation.name!r}, {self.material.profile!r}, {len(self.records)} runs)"
        )


def load(name: str, profile: str, settings: Sequence[str], results: Path) -> Result:
    """The result that lies below ``results``; raises BadInput where there is none.

    settings: the ``key=value`` that it was run with.
    """
    wanted, folders = parse_settings(settings), rebuild.below(results / ablation_name(name))
    for folder in folders:
        if asked_with.profile_of(folder) == profile and asked_with.read(folder) == wanted:
            return of_folder(rebuild.ablation_of(name, folder), folder)
    there = ", ".join(asked_with.label(folder) for folder in folders) or "nothing"
    asked = ",".join([profile, *settings])
    raise BadInput(f"{results}: no records of {name}, {asked}; there is {there}")


def of_folder(ablation: Ablation, folder: Path, planned: Container[str] | None = None) -> Result:
    """The result of an ablation whose records are in ``folder``; raises BadInput.

    planned: the ids of the runs that count; None: all.
    """
    return Result(
        build.gather(ablation, asked_with.label(folder), folder, lambda line: None, planned)
    )


def as_texts(settings: Any) -> list[str]:
    """Settings as ``key=value`` texts, from a dict of them or from such texts."""
    if isinstance(settings, Mapping):
        return [f"{key}={as_text(key, value)}" for key, value in settings.items()]
    if isinstance(settings, list | tuple) and all(isinstance(each, str) for each in settings):
        return list(settings)
    raise BadInput(f"settings: {shown(settings)} should be a dict, or a list of 'key=value'")


def as_text(key: Any, value: Any) -> str:
    """A value as YAML writes it, one of NumPy too. Raises BadInput for what YAML does not know."""
    try:
        return text(value.item() if hasattr(value, "dtype") else value)
    except (TypeError, ValueError, RuntimeError):
        raise BadInput(
            f"settings: {shown(key)}: {shown(value)} is no text, number, true or false, or list"
        ) from None
