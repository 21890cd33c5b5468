"""The page of one ablation under one profile: one self-contained file, no request leaves it."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.confusion import cells, class_rows, pooled_confusion, worst
from alexbench.analysis.pairs import by_rate
from alexbench.analysis.summary import SummaryRow
from alexbench.config import metrics, own_files
from alexbench.config.ablation import Ablation
from alexbench.report import csv_files, figures, markdown, sources, text
from alexbench.report.drawings import Drawing
from alexbench.report.material import Material
from alexbench.report.text import TextTable
from alexbench.report.threats import threats
from alexbench.report.verdicts import LOOKS
from alexbench.runs import asked_with
from alexbench.runs.record import RunRecord

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
    sign: str = ""  # a verdict's shape


class Table(NamedTuple):
    """A sortable table."""

    columns: list[str]
    rows: list[list[Cell]]


def render(material: Material, drawn: Mapping[str, Drawing]) -> str:
    """Return the page. Every text in it is escaped, whatever classes are called."""
    ablation, records, rows = material.ablation, material.records, material.comparison
    claimed, rest = [row for row in rows if row.role], [row for row in rows if not row.role]
    return ENVIRONMENT.get_template("ablation.html").render(
        name=ablation.name,
        title=ablation.title,
        question=ablation.question,
        finding=material.finding,
        profile=material.profile,
        index_link="../../index.html",
        verdicts=[verdict_line(row) for row in claimed],
        facts=facts(material),
        drawn=drawn,
        arms_drawn=figures.arms(ablation) if "curves" in drawn else [],
        cards=[card(row) for row in claimed if row.verdict],
        claimed=headline_table(claimed or rest),
        rest=by_metric(rest if claimed else []),
        every_column=comparison_table(rows),
        words=[(look, word) for word, look in LOOKS.items()],
        notes=markdown.NOTES.replace("`", ""),
        arms=text_table(markdown.arms(ablation, records)),
        tuning=markdown.tuning_line(ablation, records),
        tried=text_table(material.tried) if material.tried else None,
        tuning_note=markdown.tuning_note(ablation, material.tuning) if material.tried else "",
        summary=summary_table(material.summary),
        threats=threats(material),
        variants=[section for name in ablation.variants for section in classes(name, records)],
        pictures=sorted(
            material.pictures, key=lambda each: list(ablation.variants).index(each.variant)
        ),
        pictured=any(each.examples for each in material.pictures),
        provenance=provenance(records),
        refusals=material.left_out,
        files=FILES,
        command=command(material),
        yaml=yaml_of(ablation),
    )


FILES = {
    "comparison.csv": "a row a claim and metric, every column",
    "summary.csv": "mean and spread of each arm and metric",
    "arms.csv": "what each arm is, its rates, seeds and cost",
    "runs.csv": "a row a run and metric",
    "history.csv": "a row a run and epoch",
    "report.md": "this report in Markdown",
    "report.tex": "the table for LaTeX",
}


def command(material: Material) -> str:
    """The command that makes the runs and this report again; own files are named by their names."""
    ablation = material.ablation

    def named(name: str, own_file: str) -> str:
        return f"{name}.yaml" if own_file in ablation.files else name

    words = ["alexbench", "run", named(ablation.name, own_files.ablation(ablation.name))]
    words += ["--profile", named(ablation.profile, own_files.profile(ablation.profile))]
    words += ["--seeds", str(1 + max(run.seed for run in material.records))]
    for each in asked_with.texts(material.folder):
        words += ["--set", each]
    return shlex.join(words)


def yaml_of(ablation: Ablation) -> str:
    """The text of the ablation's file."""
    own = ablation.files.get(own_files.ablation(ablation.name))
    return own or Path(ablation.file).read_text(encoding="utf-8")


def facts(material: Material) -> list[tuple[str, str]]:
    """The strip below the verdict: data, regime, seeds, rates, cost."""
    records, tuning = material.records, material.tuning
    data = records[0].data
    trained = [run for run in (*records, *tuning) if csv_files.trained_here(run)]
    counts = [
        len({run.seed for run in records if run.variant == name})
        for name in dict.fromkeys(run.variant for run in records)
    ]
    low, high = min(counts), max(counts)
    rates = {len(by_rate([r for r in records if r.variant == run.variant])) for run in records}
    tuned = f", {len({run.seed for run in tuning})} tuning seeds" if tuning else ", not tuned here"
    return [
        ("data", f"{data['name']} ({data['train_images']:,} + {data['test_images']:,} images)"),
        ("profile", material.profile),
        ("regime", material.ablation.regime),
        ("seeds", f"{low}" if low == high else f"{low} to {high}"),
        ("rates an arm", f"{max(rates)}{tuned}"),
        ("cost", f"{len(trained)} runs, {csv_files.core_hours(trained):.2f} core hours"),
    ]


def verdict_line(row: ComparisonRow) -> dict[str, str]:
    """A claim in a line: the verdict with its share, the question, what was measured, claimed."""
    share = text.share(row)
    look = LOOKS.get(row.verdict)
    return {
        "tone": look.tone if look else "open",
        "sign": look.sign if look else "",
        "word": row.verdict or "no verdict",
        "share": f"{share} of the claim" if share != text.MISSING else "",
        "question": text.question(row),
        "measured": text.interval(row),
        "claimed": text.claims(row).partition(" (notebook")[0],
        "n": text.pairs(row),
        "rate": "at one rate" if text.at_one_rate(row) else "",
    }


def headline_table(rows: Sequence[ComparisonRow]) -> Table:
    """The columns that a person compares, the verdict first."""
    return Table(
        [*text.HEADLINE, "p, Holm"],
        [
            [
                verdict_cell(row),
                Cell(text.question(row), long=True),
                number(text.interval(row), row.delta),
                number(text.claims(row), row.paper_delta),
                number(text.pairs(row), row.num_pairs),
                number(text.share(row), row.share),
                Cell(row.regime),
                number(text.p_value(row.p_holm), row.p_holm),
            ]
            for row in rows
        ],
    )


def by_metric(rows: Sequence[ComparisonRow]) -> list[tuple[str, Table]]:
    """A table a metric, with the metric's title."""
    return [
        (metrics.METRICS[name].title, headline_table([row for row in rows if row.metric == name]))
        for name in dict.fromkeys(row.metric for row in rows)
    ]


def number(shown: str, value: float) -> Cell:
    """A cell that sorts by its value; what is missing sorts last."""
    return Cell(shown, "" if value != value else f"{value:.6g}")


def verdict_cell(row: ComparisonRow) -> Cell:
    """Returns the verdict in its colour and shape."""
    look = LOOKS.get(row.verdict)
    word, _, note = text.word(row).partition(", ")
    if look is None:
        return Cell(word, note=note)
    return Cell(word, tone=look.tone, sign=look.sign, note=note)


COMPARISON: dict[str, Callable[[ComparisonRow], Cell]] = {
    "verdict": verdict_cell,
    "claim": lambda row: Cell(text.claim_of(row)),
    "arms": lambda row: Cell(text.arms(row)),
    "metric": lambda row: Cell(row.metric),
    "regime": lambda row: Cell(row.regime),
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
        "arms": f"{text.arms(row)}, {metrics.METRICS[row.metric].title}",
        "verdict": text.verdict(row),
        "tone": LOOKS[row.verdict].tone,
        "sign": LOOKS[row.verdict].sign,
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
    short = shortened(names)
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
            "short": short,
            "size": len(names),
            "cells": cells(counts),
            "worst": worst(counts, names),
            "report": Table(["class", "precision", "recall", "F1", "images"], rows),
        }
    ]


def shortened(names: Sequence[str]) -> list[str]:
    """The fewest first letters, three at most, by which the classes differ."""
    for length in (1, 2, 3):
        short = [name[:length] for name in names]
        if len(set(short)) == len(names):
            return short
    return [name[:3] for name in names]


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
