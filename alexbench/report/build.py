"""From records to tables, pages and figures, without torch: equal records give equal bytes."""

from collections.abc import Callable, Container, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alexbench.analysis.comparison import ComparisonRow, comparison
from alexbench.analysis.pairs import at_best_rate
from alexbench.analysis.summary import SummaryRow, summary
from alexbench.config.ablation import Ablation
from alexbench.config.profiles import is_profile
from alexbench.errors import BadInput
from alexbench.report import (
    csv_files,
    figures,
    html,
    index,
    kernel_figure,
    latex,
    markdown,
    results_page,
    scorecard,
    tuning_table,
)
from alexbench.report.drawings import drawings
from alexbench.report.material import Material
from alexbench.report.text import Comparisons, headline
from alexbench.report.written import Written, write_text
from alexbench.runs import pictures, record
from alexbench.runs.record import RunRecord

__all__ = [
    "FORMATS",
    "comparison",
    "headline",
    "page_tables",
    "read",
    "summary",
    "write",
    "write_index",
]

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "markdown", "latex", "html")
FILED = ("forest", "rates", "curves")  # figures that are files too


def read(
    ablation: Ablation, folder: Path, planned: Container[str] | None = None
) -> tuple[list[RunRecord], list[str]]:
    """Return the usable records of results/<ablation>/<profile>, and a line a refused file.

    A record must be of this ablation and of one of its variants, and where run ids are
    ``planned``, be one of those. Raises BadInput if none is left.
    """

    def complaint(found: RunRecord) -> str | None:
        if found.ablation != ablation.name:
            return f"is a record of ablation '{found.ablation}', not '{ablation.name}'"
        if found.profile != ablation.profile:
            return f"is a record of profile '{found.profile}', not '{ablation.profile}'"
        if found.variant not in ablation.variants:
            allowed = ", ".join(ablation.variants)
            return f"its variant '{found.variant}' is not in {ablation.file} (there: {allowed})"
        if found.purpose != "measure":
            return "is a tuning run, its place is the folder 'tuning'"
        if planned is not None and found.run_id not in planned:
            return "was made with other settings, data or numerics than now; move it away"
        return None

    records, refusals = record.read_folder(
        folder / "runs", complaint, many_rates=ablation.tune_neighbours > 0
    )
    if not records:
        raise BadInput(
            f"{folder / 'runs'}: holds no usable record"
            + (f" (first: {refusals[0]})" if refusals else "")
            + f"; make some with `alexbench run {ablation.name}`"
        )
    return records, refusals


def write(
    ablation: Ablation,
    profile: str,
    folder: Path,
    tell: Callable[[str], None] = lambda line: None,
    formats: Sequence[str] = FORMATS,
    planned: Container[str] | None = None,
) -> tuple[list[Path], list[ComparisonRow]]:
    """Write the tables and figures of the records below ``folder``; returns their paths, and the
    comparison.

    ``tell`` hears a line for each record that was refused; the others still make their report.
    Raises RunFailed for the files that cannot be written, when all the others are.
    """
    material = gather(ablation, profile, folder, tell, planned)
    written = Written([], [])
    if "csv" in formats:
        for table in write_csv(material):
            written.by(table)
    drawn = drawings(material) if {"markdown", "html"} & set(formats) else {}
    if "markdown" in formats:
        for name in FILED:
            if name in drawn:
                written.by(partial(drawn[name].save, folder))
        text = markdown.render(material, [name for name in FILED if name in drawn])
        if kernels := kernel_figure.kernels(material.at_best, material.pictures):
            written.by(partial(figures.save_png, kernels, folder / "kernels.png", None))
        if said := kernel_figure.caption(material.at_best):
            text += f"\n![kernels by column](kernels.png)\n\n{said}\n"
        written.by(partial(write_text, text, folder / "report.md"))
    if "latex" in formats:
        written.by(partial(write_text, latex.render(material), folder / "report.tex"))
    if "html" in formats:
        written.by(partial(write_text, html.render(material, drawn), folder / "report.html"))
    return written.whole(), list(material.comparison)


def gather(
    ablation: Ablation,
    profile: str,
    folder: Path,
    tell: Callable[[str], None],
    planned: Container[str] | None,
) -> Material:
    """Return the records of a folder with what follows from them; ``tell`` hears the refusals."""
    records, refusals = read(ablation, folder, planned)
    tuning, not_tuning = record.read_folder(folder / "tuning", tuning_table.stray(records))
    at_best = at_best_rate(records, ablation.metrics[0])
    kept, not_pictures = pictures.read_folder(
        folder, {each.run_id: f"{each.variant}-seed{each.seed}" for each in at_best}
    )
    refused = [*refusals, *not_tuning, *not_pictures]
    for line in refused:
        tell(line)
    return Material(
        ablation=ablation,
        profile=profile,
        folder=folder,
        records=records,
        at_best=at_best,
        tuning=tuning,
        comparison=comparison(ablation, profile, records),
        summary=summary(ablation, profile, at_best),
        tried=tuning_table.grid(ablation, records, tuning),
        pictures=kept,
        left_out=[line.replace(f"{folder}/", "") for line in refused],
    )


def write_csv(material: Material) -> list[Callable[[], Path]]:
    """Return what writes the tables of a folder, and those of its arms, runs and epochs."""
    ablation, profile, folder = material.ablation, material.profile, material.folder
    members, _ = record.read_folder(folder / "members")
    runs = [*material.records, *material.tuning]
    arms = csv_files.arm_rows(ablation, profile, material.records, [*material.tuning, *members])
    by_run = list(csv_files.run_rows(ablation, profile, runs))
    rows = csv_files.write_dataclasses
    return [
        partial(rows, ComparisonRow, material.comparison, folder / "comparison.csv"),
        partial(rows, SummaryRow, material.summary, folder / "summary.csv"),
        partial(csv_files.write, list(arms), csv_files.ARM_COLUMNS, folder / "arms.csv"),
        partial(csv_files.write, by_run, csv_files.RUN_COLUMNS, folder / "runs.csv"),
        partial(csv_files.write_history, ablation, profile, runs, folder / "history.csv"),
    ]


def write_index(
    results: Path,
    formats: Sequence[str] = FORMATS,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write the scorecard and the index page over every ablation and profile; returns the paths.

    ``tell`` hears a line for each table that is none.
    """
    tables = read_tables(results, tell)
    strongest = scorecard.scorecard(tables)
    written = Written([], [])
    if strongest.lines():
        drawing = index.drawing(strongest, "scorecard")
        if "markdown" in formats:
            written.by(partial(drawing.save, results))
    if "html" in formats:
        page = index.render(results, tables)
        written.by(partial(write_text, page, results / "index.html"))
    return written.whole()


def read_tables(results: Path, tell: Callable[[str], None] = lambda line: None) -> Comparisons:
    """Return the folder and the comparison of every ablation and profile below results/.

    ``tell`` hears a line for each table that is none, those of arms and runs too; the others are
    returned.
    """
    found = []
    for path in sorted(results.glob("*/*/comparison.csv")):
        try:
            found.append((path.parent, csv_files.read_comparison(path)))
        except BadInput as error:
            tell(str(error))
        for name, kinds in (("arms.csv", csv_files.ARMS), ("runs.csv", csv_files.RUNS)):
            csv_files.read_columns(path.with_name(name), kinds, tell)
    return found


def page_tables(
    tables: Comparisons, tell: Callable[[str], None] = lambda line: None
) -> dict[str, str]:
    """Return the tables of docs/results.md: of whole profiles, without those set by hand.

    tables: what ``read_tables`` gives.
    """
    whole = [each for each in tables if is_profile(each[0].name)]
    return results_page.render(whole, tell)


def frame(
    kind: type[ComparisonRow | SummaryRow], rows: Sequence[ComparisonRow | SummaryRow]
) -> "pd.DataFrame":
    """Return the rows as a frame with a column a field of ``kind``."""
    import pandas as pd  # half a second that no report needs

    names = [field.name for field in fields(kind)]
    return pd.DataFrame([vars(row) for row in rows], columns=names)
