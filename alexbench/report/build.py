"""From records to tables, pages and figures, without torch: equal records give equal bytes."""

import csv
from collections.abc import Callable, Container, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from alexbench.analysis.comparison import ComparisonRow, comparison
from alexbench.analysis.pairs import at_best_rate
from alexbench.analysis.summary import SummaryRow, summary
from alexbench.config.ablation import Ablation, is_profile
from alexbench.errors import BadInput
from alexbench.report import (
    figures,
    html,
    index,
    kernel_figure,
    latex,
    markdown,
    results_page,
    tuning_table,
)
from alexbench.report.text import Comparisons, headline
from alexbench.runs import files, pictures, record
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

FROM_CSV: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: lambda cell: float(cell or "nan"),
}
FORMATS = ("csv", "markdown", "latex", "html")


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
    """
    records, refusals = read(ablation, folder, planned)
    tuning, not_tuning = record.read_folder(folder / "tuning", tuning_table.stray(records))
    at_best = at_best_rate(records, ablation.metrics[0])
    kept, not_pictures = pictures.read_folder(folder, [each.run_id for each in at_best])
    refused = [*refusals, *not_tuning, *not_pictures]
    for line in refused:
        tell(line)
    left_out = [line.replace(f"{folder}/", "") for line in refused]
    compared = comparison(ablation, profile, records)
    summed = summary(ablation, profile, at_best)
    tried = tuning_table.grid(ablation, records, tuning)
    paths = []
    if "csv" in formats:
        paths += [
            write_csv(frame(SummaryRow, summed), folder / "summary.csv"),
            write_csv(frame(ComparisonRow, compared), folder / "comparison.csv"),
        ]
    if "markdown" in formats:
        figures.save_png(figures.curves(list(ablation.variants), at_best), folder / "curves.png")
        text = markdown.render(ablation, profile, records, compared, tried, left_out)
        paths.append(folder / "curves.png")
        if drawn := kernel_figure.kernels(at_best, kept):
            figures.save_png(drawn, folder / "kernels.png")
            paths.append(folder / "kernels.png")
        if said := kernel_figure.caption(at_best):
            text += f"\n![kernels by column](kernels.png)\n\n{said}\n"
        paths.append(write_text(text, folder / "report.md"))
    if "latex" in formats:
        text = latex.render(ablation, profile, records[0], compared)
        paths.append(write_text(text, folder / "report.tex"))
    if "html" in formats:
        text = html.render(ablation, profile, records, compared, summed, tried, kept, left_out)
        paths.append(write_text(text, folder / "report.html"))
    return paths, compared


def write_index(results: Path) -> Path:
    """Write results/index.html over the comparison.csv of every ablation and profile there."""
    return write_text(index.render(results, read_tables(results)), results / "index.html")


def read_tables(results: Path) -> Comparisons:
    """Return the folder and the comparison of every ablation and profile below results/."""
    return [(path.parent, read_csv(path)) for path in sorted(results.glob("*/*/comparison.csv"))]


def page_tables(results: Path) -> dict[str, str]:
    """Return the tables of docs/results.md: of whole profiles, without those set by hand."""
    return results_page.render([each for each in read_tables(results) if is_profile(each[0].name)])


def frame(
    kind: type[ComparisonRow | SummaryRow], rows: Sequence[ComparisonRow | SummaryRow]
) -> pd.DataFrame:
    """Return the rows as a frame with a column a field of ``kind``."""
    names = [field.name for field in fields(kind)]
    return pd.DataFrame([vars(row) for row in rows], columns=names)


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write the table with six significant digits; returns the path."""
    text = table.to_csv(index=False, float_format=six_digits, lineterminator="\n")
    return write_text(text, path)


def read_csv(path: Path) -> list[ComparisonRow]:
    """Return a comparison with the digits that were written; raises BadInput for other columns."""
    types = {field.name: field.type for field in fields(ComparisonRow)}
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    if names != list(types):
        raise BadInput(f"{path}: is of another alexbench; make it again with `alexbench report`")
    return [
        ComparisonRow(
            *(FROM_CSV[kind](cell) for kind, cell in zip(types.values(), row, strict=True))
        )
        for row in rows
    ]


def six_digits(number: object) -> str:
    """Six significant digits: fewer than machines may disagree about; large numbers in full."""
    assert isinstance(number, float)
    return f"{number:.0f}" if 1e6 <= abs(number) < 1e15 else f"{number:.6g}"


def write_text(text: str, path: Path) -> Path:
    """Writes the text in one step; returns the path."""
    files.write_text_safely(text, path)
    return path
