"""The tables of docs/results.md: what each source claims, what was measured, and what it cost."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.stats import holm
from alexbench.config import references
from alexbench.config.load import load_ablation
from alexbench.config.references import Claim
from alexbench.config.shipped import shipped_ablations
from alexbench.errors import BadInput
from alexbench.report import text
from alexbench.report.csv_files import core_hours
from alexbench.report.scorecard import DRAWN
from alexbench.report.text import Comparisons
from alexbench.runs import record
from alexbench.runs.record import RunRecord

BEGIN, END = "<!-- {}: generated -->", "<!-- end of {} -->"
CLAIMED = ["claim", "what the source says", "source", "ablation"]
MEASURED = ["verdict", "claim and arms", "measured [95% CI]", "claimed", "n", "p"]
NOT_YET = "not measured yet"


Tell = Callable[[str], None]


def render(tables: Comparisons, tell: Tell = lambda line: None) -> dict[str, str]:
    """Returns the Markdown of each table by name, over the (folder, comparison) of results/.

    ``claims``: a row a claim of the references. ``images`` and ``letters``: a row a claim and
    metric that was measured on real images and on the embedded letters. Cells are not padded, so
    that a new number changes one line. ``tell`` hears of records that cannot be read.
    """
    images = [
        (folder, [row for row in table if row.claim and row.data != DRAWN])
        for folder, table in tables
    ]
    letters = [
        (folder, [row for row in first_metric(table) if row.data == DRAWN])
        for folder, table in tables
    ]
    runs = records(images, tell)
    return {
        "images": measured(images) + (f"\n\n{cost(runs)}" if runs else ""),
        "claims": claimed(),
        "letters": measured(letters),
    }


def claimed() -> str:
    """Returns the table of claims: statement, source, and the ablations that test each."""
    ablations = [load_ablation(name) for name in shipped_ablations()]
    rows = []
    for claim_id in references.claim_ids():
        claim = references.claim(claim_id)
        files = [each.name for each in ablations if claim_id in each.claims]
        linked = ", ".join(f"[{name}](../ablations/{name}.yaml)" for name in files)
        rows.append([f"`{claim_id}`", claim.statement, source(claim), linked or text.MISSING])
    return markdown(CLAIMED, rows)


def first_metric(table: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Returns the rows of each claim on the first metric that it is about."""
    claims = [row for row in table if row.claim and row.role == "claim"]
    first = {row.claim: row.metric for row in reversed(claims)}
    return [row for row in claims if row.metric == first[row.claim]]


def measured(tables: Comparisons) -> str:
    """Returns the table of measurements.

    A p is after Holm over the claims of its ablation, as in its report, and then over the rows of
    this table.
    """
    rows = [(folder, row) for folder, table in tables for row in table]
    if not rows:
        return NOT_YET
    adjusted = holm([row.p_value for _, row in rows])
    return markdown(
        MEASURED, [cells(folder, row, p) for (folder, row), p in zip(rows, adjusted, strict=True)]
    )


def cells(folder: Path, row: ComparisonRow, p: float) -> list[str]:
    """The cells of a measured row. The report and the share have lines of their own."""
    place = f"{folder.parent.name}/{folder.name}"
    share = "" if text.share(row) == text.MISSING else f"<br>share {text.share(row)}"
    word, _, notes = text.word(row).partition(", ")
    return [
        f"**{word}**" + (f", {notes}" if notes else "") if row.verdict else "no effect claimed",
        f"{text.question(row)}<br>[{place}](../results/{place}/report.md)",
        unbroken(text.interval(row) + share),
        unbroken(text.claims(row)),
        text.pairs(row),
        f"{text.p_value(row.p_holm)}<br>{text.p_value(p)}",
    ]


def unbroken(cell: str) -> str:
    """A cell whose lines are not broken within an interval or a bracket."""
    return re.sub(
        r"\[.*?\]|\(.*?\)", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), cell
    )


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table without padding."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    cells = [columns, [":--"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(each)} |" for each in cells)


def source(claim: Claim) -> str:
    """Returns a link to the claim's source, and the place in it."""
    link = references.load().sources[claim.source].link
    name = f"[{claim.source}]({link})" if link else claim.source
    return f"{name}, {claim.where}" if claim.where else name


def records(tables: Comparisons, tell: Tell) -> list[RunRecord]:
    """Return the records behind the tables, tuning included; ``tell`` hears of others."""
    paths = [
        path
        for folder, table in tables
        if table
        for kind in ("runs", "members", "tuning")
        for path in sorted(folder.glob(f"{kind}/*.json"))
    ]
    found = []
    for path in paths:
        try:
            found.append(record.read(path))
        except BadInput as error:
            tell(str(error))
    return found


def cost(runs: Sequence[RunRecord]) -> str:
    """``On cifar10 (...): 44 runs, of which 15 to tune, in 2.6 core hours of AMD EPYC (AVX2).``

    A run that two ablations share counts once, an average of trained nets not at all.
    """
    runs = list({run.run_id: run for run in runs if record.was_trained(run)}.values())
    data = sorted({f"{run.data['name']} ({run.data['source']})" for run in runs})
    processors = sorted({str(run.environment["processor"]) for run in runs})
    to_tune = sum(run.purpose == "tune" for run in runs)
    return (
        f"On {', '.join(data)}: {len(runs)} runs, of which {to_tune} to tune, "
        f"in {core_hours(runs):.1f} core hours of {', '.join(processors)}."
    )


def put_into(page: str, tables: Mapping[str, str], where: str) -> str:
    """Return a page's text with its tables of these names replaced; BadInput where it has none."""
    named = [name for name in tables if BEGIN.format(name) in page]
    if not named:
        lines = " or ".join(f"'{BEGIN.format(name)}'" for name in tables)
        raise BadInput(f"{where}: has no line {lines} for a table to stand below")
    for name in named:
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not closed:
            raise BadInput(f"{where}: has no line '{end}' for the table to end at")
        page = f"{before}{begin}\n\n{tables[name]}\n\n{end}{after}"
    return page
