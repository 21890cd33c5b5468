"""The comparison as a LaTeX table in booktabs style, ready for \\input."""

from collections.abc import Sequence

from tabulate import tabulate

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config.ablation import Ablation
from alexbench.report.text import headline
from alexbench.runs.record import RunRecord

ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
}


COLUMNS = ["claim", "metric", "arms", "n", "delta [95% CI]", "paper", "notebook", "verdict"]


def render(
    ablation: Ablation, profile: str, record: RunRecord, comparison: Sequence[ComparisonRow]
) -> str:
    """Return the headline table; every text in it is escaped."""
    texts = headline(comparison)
    chosen = [texts.columns.index(name) for name in COLUMNS]
    cells = [[escape(row[index]) for index in chosen] for row in texts.rows]
    table = tabulate(
        cells,
        headers=[escape(name) for name in COLUMNS],
        tablefmt="latex_raw",
        disable_numparse=True,
    )
    caption = (
        f"{ablation.title}. {ablation.question} Measured on {record.data['name']} "
        f"(profile {profile}); deltas are with minus without, paired by seed, with 95% t intervals."
    )
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\small",
        booktabs(table),
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{ablation.name}-{profile}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def booktabs(table: str) -> str:
    """Replace the three rules of a plain table by those of booktabs."""
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        table = table.replace(r"\hline", rule, 1)
    return table


def escape(text: str) -> str:
    """Return ``text`` so that LaTeX prints it as it is."""
    return "".join(ESCAPES.get(character, character) for character in text)
