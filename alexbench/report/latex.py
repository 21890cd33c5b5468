"""The comparison as a LaTeX table in booktabs style, ready for \\input."""

import pandas as pd
from tabulate import tabulate

from alexbench.config.ablation import Ablation
from alexbench.report import text as words
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


def render(ablation: Ablation, profile: str, record: RunRecord, comparison: pd.DataFrame) -> str:
    """Return the headline table; every text in it is escaped."""
    frame = words.headline(comparison)[COLUMNS]
    cells = [[escape(str(cell)) for cell in row] for row in frame.to_numpy()]
    table = tabulate(
        cells,
        headers=[escape(name) for name in frame.columns],
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
