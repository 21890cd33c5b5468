"""The index page: the scorecard, a switch of profiles, and a fold a claim with its measurements."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config import metrics, references
from alexbench.config.profiles import is_profile
from alexbench.report import csv_files, curves, figures, scorecard, scorecard_figure, sources, text
from alexbench.report.drawings import Drawing
from alexbench.report.html import ENVIRONMENT, Cell, Table, number, verdict_cell
from alexbench.report.scorecard import Scorecard
from alexbench.report.text import Comparisons
from alexbench.report.verdicts import LOOKS, VerdictLook

COLUMNS = [
    *("verdict", "claim", "arms", "measured [95% CI]", "claimed", "n", "share [95% CI]"),
    *("regime", "profile"),
]
Measured = Sequence[tuple[Path, ComparisonRow]]


class Panel(NamedTuple):
    """The scorecard of one profile, or of the strongest data."""

    id: str
    label: str
    svg: Markup
    tally: str


class Fold(NamedTuple):
    """A claim: what its source says, how it stands, and every measurement of it."""

    claim: str
    statement: str
    verdicts: Sequence[tuple[VerdictLook, str, str]]  # look, word, what was measured and claimed
    dots: Markup | None
    table: Table | None
    links: Sequence[tuple[str, str]]
    findings: Sequence[str]


def drawing(card: Scorecard, name: str) -> Drawing:
    """Return the scorecard as a figure."""
    said = "; ".join(
        f"{line.row.claim}, {line.row.metric}: {line.row.verdict}, {text.interval(line.row)}, "
        f"claimed {text.claims(line.row)}"
        for line in card.lines()
    )
    caption = "each claim on its strongest data: measured / claimed with 95% intervals"
    return Drawing(name, scorecard_figure.draw(card), caption, said)


def render(results: Path, tables: Comparisons) -> str:
    """Return the index over the (folder, comparison) of every ablation and profile."""
    measured = [(folder, row) for folder, table in tables for row in table if row.role == "claim"]
    card = scorecard.scorecard(tables)
    return ENVIRONMENT.get_template("index.html").render(
        panels=panels(tables),
        notes=scorecard.notes(card),
        tally=tally(card),
        words=[(look, word) for word, look in LOOKS.items()],
        folds=[fold(results, claim, card, measured) for claim in references.claim_ids()],
        claims=Table(COLUMNS, every_row(results, measured)),
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


def tally(card: Scorecard) -> list[tuple[VerdictLook, int, str]]:
    """How many lines have each verdict, of the words that occur."""
    words = [line.row.verdict for line in card.lines()]
    return [(look, words.count(word), word) for word, look in LOOKS.items() if word in words]


def panels(tables: Comparisons) -> list[Panel]:
    """The strongest data first, then each profile that has a line."""
    found = []
    names = sorted({folder.name for folder, _ in tables})
    for name in [None, *filter(is_profile, names)]:
        card = scorecard.scorecard(tables, name)
        if card.lines():
            id_ = name or "strongest"
            svg = drawing(card, f"scorecard-{id_}").inline
            found.append(
                Panel(id_, name or "strongest data", svg, scorecard.tally(card.lines(), card.cost))
            )
    return found


def fold(results: Path, claim: str, card: Scorecard, measured: Measured) -> Fold:
    """Return the fold of a claim."""
    mine = [(folder, row) for folder, row in measured if row.claim == claim]
    lines = [line for line in card.lines() if line.row.claim == claim]
    shown = [row for line in lines for row in (line.row, *line.more)]
    folders = dict.fromkeys(folder for folder, _ in mine)
    return Fold(
        claim=claim,
        statement=sources.statement(claim),
        verdicts=[(LOOKS[row.verdict], row.verdict, told(row)) for row in shown],
        dots=paired(lines[0].folder, lines[0].row) if lines else None,
        table=Table(COLUMNS, [measured_row(results, folder, row) for folder, row in mine])
        if mine
        else None,
        links=[
            (link(results, folder), f"{folder.parent.name}, profile {folder.name}")
            for folder in folders
        ],
        findings=list(dict.fromkeys(line.row.finding for line in lines if line.row.finding)),
    )


def told(row: ComparisonRow) -> str:
    """``both vs none, test error: -1.09 [-1.60, -0.58], claimed -1.40 ± 0.31``."""
    title = metrics.METRICS[row.metric].title
    claimed = text.claims(row).partition(" (notebook")[0]
    return f"{text.arms(row)}, {title}: {text.interval(row)}, claimed {claimed}, on {row.data}"


def paired(folder: Path, row: ComparisonRow) -> Markup | None:
    """The values of both arms as dots, a line a seed, from the runs.csv of a folder.

    Each arm at the rate at which it was judged.
    """
    values: dict[tuple[str, float], dict[int, float]] = {}
    for run in csv_files.read_columns(folder / "runs.csv", csv_files.RUNS):
        if run["metric"] == row.metric and run["purpose"] == "measure":
            key = run["variant"], run["train.lr"]
            values.setdefault(key, {})[run["seed"]] = run["value"]
    judged = ((row.baseline, row.baseline_lr), (row.variant, row.variant_lr))
    arms = [values.get(arm, {}) for arm in judged]
    if not all(arms):
        return None
    labels = (row.baseline_label, row.variant_label)
    figure = curves.paired(arms[0], arms[1], labels, metrics.METRICS[row.metric])
    name = f"pairs-{row.claim}"
    said = f"{row.claim}: a dot a run, a line a seed, {labels[0]} beside {labels[1]}"
    return Markup(figures.for_page(figures.to_svg(figure), name, said))


def every_row(results: Path, measured: Measured) -> list[list[Cell]]:
    """Every measurement of every claim; a claim without one says so. Then those of own claims."""
    rows = []
    for claim in dict.fromkeys([*references.claim_ids(), *(row.claim for _, row in measured)]):
        mine = [(folder, row) for folder, row in measured if row.claim == claim]
        rows += [measured_row(results, folder, row) for folder, row in mine]
        if not mine:
            rows.append(unmeasured_row(claim))
    return rows


def measured_row(results: Path, folder: Path, row: ComparisonRow) -> list[Cell]:
    """Returns the cells of a claim that was measured."""
    title = metrics.METRICS[row.metric].title
    return [
        verdict_cell(row),
        Cell(row.claim, link=link(results, folder), note=f"on {row.data}"),
        Cell(text.arms(row), note=title),
        number(text.interval(row), row.delta),
        number(text.claims(row), row.paper_delta),
        number(text.pairs(row), row.num_pairs),
        number(text.share(row), row.share),
        Cell(row.regime),
        Cell(folder.name),
    ]


def unmeasured_row(claim_id: str) -> list[Cell]:
    """Returns the cells of a claim that was not measured yet."""
    return [
        Cell("not measured yet", tone="open"),
        Cell(claim_id),
        Cell(text.MISSING),
        *[number(text.MISSING, math.nan)] * 4,
        *[Cell(text.MISSING)] * 2,
    ]


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
