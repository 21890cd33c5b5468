"""The index page: one row a claim and measurement: the whole paper at a glance."""

import math
from pathlib import Path
from urllib.parse import quote

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config import references
from alexbench.report import sources, text
from alexbench.report.html import ENVIRONMENT, Cell, Table, number, verdict_cell
from alexbench.report.text import Comparisons

COLUMNS = ["verdict", "claim", "metric", "measured [95% CI]", "paper", "notebook", "profile"]


def render(results: Path, tables: Comparisons) -> str:
    """Return the index over the (folder, comparison) of every ablation and profile."""
    measured = [(folder, row) for folder, table in tables for row in table if row.role == "claim"]
    rows = []
    for claim_id in references.claim_ids():
        mine = [(folder, row) for folder, row in measured if row.claim == claim_id]
        rows += [measured_row(results, folder, row) for folder, row in mine]
        if not mine:
            rows.append(unmeasured_row(claim_id))
    return ENVIRONMENT.get_template("index.html").render(
        claims=Table(COLUMNS, rows),
        pages=[
            {
                "link": link(results, folder),
                "ablation": folder.parent.name,
                "profile": folder.name,
                "data": table[0].data if table else text.MISSING,
            }
            for folder, table in tables
        ],
        replications=replications(),
    )


def measured_row(results: Path, folder: Path, row: ComparisonRow) -> list[Cell]:
    """Returns the cells of a claim that was measured."""
    return [
        verdict_cell(row)._replace(note=claimed_on(row.claim)),
        claim_cell(row.claim, link(results, folder)),
        Cell(row.metric, note=f"{row.variant} vs {row.baseline}"),
        number(text.interval(row), row.delta)._replace(note=f"pairs: {text.pairs(row)}"),
        number(text.claimed(row, "paper"), row.paper_delta),
        number(text.claimed(row, "notebook"), row.notebook_delta),
        Cell(folder.name),
    ]


def unmeasured_row(claim_id: str) -> list[Cell]:
    """Returns the cells of a claim that was not measured yet."""
    return [
        Cell("not measured yet", tone="open", note=claimed_on(claim_id)),
        claim_cell(claim_id),
        Cell(text.MISSING),
        *[number(text.MISSING, math.nan)] * 3,
        Cell(text.MISSING),
    ]


def claim_cell(claim_id: str, address: str | None = None) -> Cell:
    """Returns the claim with its statement, and a link where it was measured."""
    return Cell(claim_id, link=address, long=True, note=sources.statement(claim_id))


def claimed_on(claim_id: str) -> str:
    """Returns the data set that the claim is about, in words."""
    return f"claimed on {references.data_title(references.claim(claim_id))}"


def replications() -> Table:
    """Everything that others measured, with the grade of the evidence."""
    columns = ["claim", "what", "numbers", "data", "views", "grade", "source", "where", "caveats"]
    rows = []
    for each in references.load().replications:
        told = sources.told(each)
        rows.append(
            [
                Cell(each.claim or text.MISSING),
                Cell(each.title, long=True),
                Cell(told.numbers or text.MISSING, long=True),
                Cell(told.data),
                Cell(each.views or text.MISSING),
                Cell(told.grade),
                Cell(references.source_title(each), link=told.link, long=True),
                Cell(each.where or text.MISSING, long=True),
                Cell("; ".join(each.caveats) or text.MISSING, long=True),
            ]
        )
    return Table(columns, rows)


def link(results: Path, folder: Path) -> str:
    """The address of a page from the index, whatever characters its profile has."""
    return quote(f"{folder.relative_to(results).as_posix()}/report.html")
