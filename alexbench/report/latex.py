"""The claims as a LaTeX table with booktabs and tabularx, as wide as the column it stands in."""

import re
from collections.abc import Sequence

from tabulate import LATEX_ESCAPE_RULES

from alexbench.analysis.comparison import ComparisonRow
from alexbench.errors import printable
from alexbench.report import text
from alexbench.report.material import Material

COLUMNS = ["verdict", "claim and arms", "measured [95% CI]", "claimed", "n"]
WIDTHS = (0.9, 1.3, 1.0, 0.8)  # of the columns that wrap, their mean is 1
SIGNS = {"±": r"$\pm$", "†": r"$\dagger$", text.MINUS: "$-$", text.TIMES: r"$\times$"}


def render(material: Material) -> str:
    """Return the table of the claims and of the first metric; every text in it is escaped."""
    ablation = material.ablation
    rows = [row for row in material.comparison if row.role or row.metric == ablation.metrics[0]]
    finding = f"{material.finding or ''} ".lstrip()
    about = "; ".join(
        f"{ablation.labels.get(name, name)}: {ablation.about[name]}"
        for name in ablation.variants
        if name in ablation.about
    )
    caption = (
        f"{ablation.title}. {ablation.question} {finding}Measured on "
        f"{material.records[0].data['name']} (profile {material.profile}, regime "
        f"{ablation.regime}); with minus without, paired by seed, with 95% intervals."
        + (f" Arms: {about}." if about else "")
    )
    wraps = "".join(rf">{{\hsize={width}\hsize\raggedright\arraybackslash}}X" for width in WIDTHS)
    lines = [
        r"% needs \usepackage{booktabs,tabularx}",
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}{wraps}r@{{}}}}",
        r"\toprule",
        line(COLUMNS),
        r"\midrule",
        *(line(cells(row)) for row in rows),
        r"\bottomrule",
        r"\end{tabularx}",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{key(ablation.name)}-{key(material.profile)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def cells(row: ComparisonRow) -> list[str]:
    """The cells of a row: its verdict first."""
    return [
        text.word(row),
        text.question(row),
        text.signed(text.interval(row)),
        text.signed(text.claims(row)),
        text.pairs(row),
    ]


def line(texts: Sequence[str]) -> str:
    """A row of the table."""
    return f"{' & '.join(map(escape, texts))} \\\\"


def key(name: str) -> str:
    """A name that LaTeX takes in a label: letters, digits and _ . -"""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def escape(said: str) -> str:
    """Return a text so that LaTeX prints it as it is, by tabulate's rules for cells."""
    rules = LATEX_ESCAPE_RULES | SIGNS
    return "".join(
        rules.get(character, character) for character in printable(" ".join(said.split()))
    )
