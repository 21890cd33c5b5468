"""The page of one ablation under one profile: one self-contained file, no request leaves it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.confusion import cells, class_rows, pooled_confusion, worst
from alexbench.analysis.pairs import at_best_rate
from alexbench.analysis.summary import SummaryRow
from alexbench.config.ablation import Ablation
from alexbench.report import markdown, sources, svg, text
from alexbench.report.text import TextTable
from alexbench.runs.pictures import Pictures
from alexbench.runs.record import RunRecord

TONES = {
    "reproduced": "good",
    "smaller": "good",
    "larger": "good",
    "negligible": "bad",
    "opposite": "bad",
    "excluded": "bad",
}
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


class Cell(NamedTuple):
    """A table cell: its text, and what it is sorted by if that is a number."""

    text: str
    value: str | None = None
    tone: str | None = None
    link: str | None = None
    long: bool = False  # a sentence, which may wrap
    note: str = ""  # below it, smaller


class Table(NamedTuple):
    """A sortable table."""

    columns: list[str]
    rows: list[list[Cell]]


def render(
    ablation: Ablation,
    profile: str,
    records: Sequence[RunRecord],
    comparison: Sequence[ComparisonRow],
    summary: Sequence[SummaryRow],
    tuning: TextTable | None,
    pictures: Sequence[Pictures],
    refusals: Sequence[str],
) -> str:
    """Return the page. Every text in it is escaped, whatever classes are called."""
    return ENVIRONMENT.get_template("ablation.html").render(
        name=ablation.name,
        title=ablation.title,
        question=ablation.question,
        finding=ablation.finding_for(profile),
        profile=profile,
        index_link="../../index.html",
        data_line=markdown.data_line(records[0]).replace("`", ""),
        cards=[card(row) for row in comparison if row.verdict],
        comparison=comparison_table(comparison),
        notes=markdown.NOTES.replace("`", ""),
        figures=svg.page_figures(ablation, at_best_rate(records, ablation.metrics[0]), comparison),
        arms=text_table(markdown.arms(ablation, records)),
        tuning=markdown.tuning_line(ablation, records),
        tried=text_table(tuning) if tuning else None,
        tuning_note=markdown.tuning_note(ablation),
        summary=summary_table(summary),
        variants=[section for name in ablation.variants for section in classes(name, records)],
        pictures=sorted(pictures, key=lambda each: list(ablation.variants).index(each.variant)),
        provenance=provenance(records),
        refusals=refusals,
    )


def number(shown: str, value: float) -> Cell:
    """A cell that sorts by its value; what is missing sorts last."""
    return Cell(shown, "" if value != value else f"{value:.6g}")


def verdict_cell(row: ComparisonRow) -> Cell:
    """Returns the verdict in its colour."""
    return Cell(text.verdict(row), tone=TONES.get(row.verdict, "open"))


COMPARISON: dict[str, Callable[[ComparisonRow], Cell]] = {
    "verdict": verdict_cell,
    "claim": lambda row: Cell(text.claim_of(row)),
    "arms": lambda row: Cell(f"{row.variant} vs {row.baseline}"),
    "metric": lambda row: Cell(row.metric),
    "measured [95% CI]": lambda row: number(text.interval(row), row.delta),
    "paper": lambda row: number(text.claimed(row, "paper"), row.paper_delta),
    "notebook": lambda row: number(text.claimed(row, "notebook"), row.notebook_delta),
    "share [95% CI]": lambda row: number(text.share(row), row.share),
    "pairs": lambda row: number(text.pairs(row), row.num_pairs),
    "others": lambda row: Cell(text.others(row), long=True),
    "without": lambda row: number(text.value(row.unit, row.baseline_mean), row.baseline_mean),
    "with": lambda row: number(text.value(row.unit, row.variant_mean), row.variant_mean),
    "p": lambda row: number(text.p_value(row.p_value), row.p_value),
    "p, Holm": lambda row: number(text.p_value(row.p_holm), row.p_holm),
    "log-rank p": lambda row: number(text.p_value(row.log_rank_p), row.log_rank_p),
    "seeds to settle": lambda row: number(text.count(row.seeds_to_settle), row.seeds_to_settle),
    "tuned (without / with)": lambda row: Cell(row.tuned or text.MISSING),
}


def comparison_table(comparison: Sequence[ComparisonRow]) -> Table:
    """Returns the comparison with every column that the page shows."""
    cells = COMPARISON.values()
    return Table(list(COMPARISON), [[cell(row) for cell in cells] for row in comparison])


def summary_table(summary: Sequence[SummaryRow]) -> Table:
    """Return a row a variant and metric; the numbers in the metric's unit."""
    columns = ["variant", "metric", "num_seeds", "num_diverged", "num_censored"]
    numbers = ["mean", "sd", "ci_low", "ci_high", "median", "min", "max"]
    rows = []
    for row in summary:
        values = vars(row)
        cells = [Cell(str(values[name])) for name in columns]
        cells += [number(text.value(row.unit, values[name]), values[name]) for name in numbers]
        rows.append(cells)
    return Table([*columns, *numbers], rows)


def text_table(table: TextTable) -> Table:
    """Return the table as one that a page shows."""
    return Table(table.columns, [[Cell(cell) for cell in row] for row in table.rows])


def card(row: ComparisonRow) -> dict[str, Any]:
    """A claim's verdict with what is behind it."""
    return {
        "claim": row.claim,
        "arms": f"{row.variant} against {row.baseline}, {row.metric}",
        "verdict": text.verdict(row),
        "tone": TONES.get(row.verdict, "open"),
        "measured": text.interval(row),
        "sentence": text.sentence(row),
        "statement": sources.statement(row.claim),
        "studies": sources.of_claim(row.claim),
    }


def classes(variant: str, records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """The confusion matrix and the report by class of a variant; nothing where none was kept."""
    runs = [record for record in records if record.variant == variant]
    counts = pooled_confusion(runs)
    if counts is None:
        return []
    names = [str(name) for name in runs[0].data["classes"]]
    rows = [
        [Cell(row.name)]
        + [number(f"{share:.1f}%" if share == share else "-", share) for share in row[1:4]]
        + [number(f"{row.images:,}", row.images)]
        for row in class_rows(counts, names)
    ]
    return [
        {
            "name": variant,
            "classes": names,
            "size": len(names),
            "cells": cells(counts),
            "worst": worst(counts, names),
            "report": Table(["class", "precision", "recall", "F1", "images"], rows),
        }
    ]


def provenance(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Where the numbers come from; several values where the runs differ."""
    environments = [record.environment for record in records]
    versions = [environment.get("versions", {}) for environment in environments]
    dates = sorted(str(environment.get("date", "")) for environment in environments)
    owners = [each.get("trained_for", "this ablation") for each in environments]
    terms = {
        "Data": distinct([f"{r.data['name']} ({r.data['source']})" for r in records]),
        "Data SHA-256": distinct([r.data["sha256"] for r in records]),
        "Images left out": distinct([len(r.data.get("skipped") or []) for r in records]),
        "Commit": distinct(
            [f"{e.get('commit')}{' with changes' if e.get('dirty') else ''}" for e in environments]
        ),
        "Versions": distinct(
            [", ".join(f"{k} {v}" for k, v in sorted(each.items()) if v) for each in versions]
        ),
        "Processor": distinct([e.get("processor") for e in environments]),
        "Device": distinct([e.get("device") for e in environments]),
        "Threads a run": distinct([e.get("num_threads") for e in environments]),
        "Precision": distinct([e.get("precision") for e in environments]),
        "Trained": f"{dates[0]} to {dates[-1]}",
        **({"Trained for": distinct(owners)} if set(owners) != {"this ablation"} else {}),
        "Runs": f"{len(records)} ({sum(r.status == 'diverged' for r in records)} diverged)",
    }
    return list(terms.items())


def distinct(values: Sequence[Any]) -> str:
    """The value of all runs, or each with its number of runs."""
    texts = [str(value) for value in values]
    found = sorted(set(texts))
    if len(found) == 1:
        return found[0]
    return "; ".join(f"{each} ({texts.count(each)} runs)" for each in found)
