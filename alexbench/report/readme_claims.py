"""The README's table of claims: what each source says, which file asks, and what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config import references
from alexbench.config.ablation import Ablation, load_ablation, shipped_ablations
from alexbench.config.references import Claim
from alexbench.errors import BadInput
from alexbench.report import text
from alexbench.report.text import Comparisons

BEGIN, END = "<!-- {}: made by `alexbench claims` -->", "<!-- end of {} -->"
COLUMNS = ["verdict", "claim", "source", "ablation", "measured on [95% CI]"]
NOT_YET = "not measured yet"


def render(tables: Comparisons) -> str:
    """Return the table in Markdown, a row a claim, over the (folder, comparison) of results/.

    Cells are not padded, so that a new number changes one line.
    """
    ablations = [load_ablation(name) for name in shipped_ablations()]
    rows = [row(claim_id, ablations, tables) for claim_id in references.claim_ids()]
    return markdown(COLUMNS, rows)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table without padding."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    cells = [columns, [":--"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(each)} |" for each in cells)


def row(claim_id: str, ablations: Sequence[Ablation], tables: Comparisons) -> list[str]:
    """Return the cells of a claim's row."""
    claim = references.claim(claim_id)
    files = [each.name for each in ablations if claim_id in each.claims]
    measured = list(measurements(claim_id, tables))
    return [
        "<br>".join(verdict for _, verdict in measured) or text.MISSING,
        f"`{claim_id}`: {claim.statement}",
        source(claim),
        ", ".join(f"[{name}](ablations/{name}.yaml)" for name in files) or text.MISSING,
        "<br>".join(said for said, _ in measured) or NOT_YET,
    ]


def measurements(claim_id: str, tables: Comparisons) -> Iterator[tuple[str, str]]:
    """Yield what was measured of a claim and the verdict, on the first metric that it is about.

    The other metrics are in the reports.
    """
    for folder, table in tables:
        about = [each for each in table if each.claim == claim_id and each.role == "claim"]
        for each in about:
            if each.metric == about[0].metric:
                yield told(folder, each), verdict(each)


def told(folder: Path, row: ComparisonRow) -> str:
    """``lrn/laptop, glyphs, n 4: test_error both vs none +3.98 [-0.57, +8.52]``"""
    where = f"{folder.parent.name}/{folder.name}, {row.data}, n {text.pairs(row)}"
    return f"{where}: {row.metric} {row.variant} vs {row.baseline} {text.interval(row)}"


def verdict(row: ComparisonRow) -> str:
    """The verdict; an inconclusive one with the seeds that it would need, where seeds would do."""
    at_one_rate = ", at one rate" if text.at_one_rate(row) else ""
    if seeds := text.more_seeds(row):
        return f"inconclusive ({seeds:,} seeds){at_one_rate}"
    return f"{row.verdict}{at_one_rate}" if row.verdict else "no size claimed"


def source(claim: Claim) -> str:
    """Returns a link to the claim's source, and the place in it."""
    link = references.load().sources[claim.source].link
    name = f"[{claim.source}]({link})" if link else claim.source
    return f"{name}, {claim.where}" if claim.where else name


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
