"""From records to tables, pages and figures, without torch: equal records give equal bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from alexbench import figures, record
from alexbench.config import Ablation
from alexbench.errors import BadInput
from alexbench.record import RunRecord
from alexbench.report.comparison import comparison
from alexbench.report.markdown import markdown
from alexbench.report.summary import summary
from alexbench.report.words import headline

__all__ = ["comparison", "headline", "read", "summary", "write"]


def read(ablation: Ablation, folder: Path) -> tuple[list[RunRecord], list[str]]:
    """Return the usable records of results/<ablation>/<profile>, and a line a refused file.

    A record must be of this ablation and of one of its variants. Raises BadInput if none is left.
    """

    def complaint(found: RunRecord) -> str | None:
        if found.ablation != ablation.name:
            return f"is a record of ablation '{found.ablation}', not '{ablation.name}'"
        if found.variant not in ablation.variants:
            allowed = ", ".join(ablation.variants)
            return f"its variant '{found.variant}' is not in {ablation.file} (there: {allowed})"
        return None

    records, refusals = record.read_folder(folder / "runs", complaint)
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
) -> list[Path]:
    """Write the tables and figures of the records below ``folder``, and return their paths.

    ``tell`` hears a line for each record that was refused; the others still make their report.
    """
    records, refusals = read(ablation, folder)
    for line in refusals:
        tell(line)
    compared = comparison(ablation, profile, records)
    paths = [
        write_csv(summary(ablation, profile, records), folder / "summary.csv"),
        write_csv(compared, folder / "comparison.csv"),
        write_text(
            markdown(ablation, profile, records, compared, relative(refusals, folder)),
            folder / "report.md",
        ),
        folder / "curves.png",
    ]
    figures.save_png(figures.curves(list(ablation.variants), records), folder / "curves.png")
    return paths


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    text = frame.to_csv(index=False, float_format=six_digits, lineterminator="\n")
    return write_text(text, path)


def six_digits(number: object) -> str:
    """Six significant digits: fewer than machines may disagree about; large numbers in full."""
    assert isinstance(number, float)
    return f"{number:.0f}" if 1e6 <= abs(number) < 1e15 else f"{number:.6g}"


def write_text(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def relative(refusals: Sequence[str], folder: Path) -> list[str]:
    """Name files from ``folder`` on, so that a report does not depend on where it was made."""
    return [line.replace(f"{folder}/", "") for line in refusals]
