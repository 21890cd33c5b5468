"""The comparison as a LaTeX table in booktabs style, ready for \\input."""

from collections.abc import Sequence

from tabulate import LATEX_ESCAPE_RULES, tabulate

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config.ablation import Ablation
from alexbench.report.text import headline
from alexbench.runs.record import RunRecord

COLUMNS = ["verdict", "claim", "arms", "metric", "delta [95% CI]", "paper", "notebook", "n"]


def render(
    ablation: Ablation, profile: str, record: RunRecord, comparison: Sequence[ComparisonRow]
) -> str:
    """Return the headline table; every text in it is escaped."""
    texts = headline(comparison)
    chosen = [texts.columns.index(name) for name in COLUMNS]
    cells = [[row[index] for index in chosen] for row in texts.rows]
    table = tabulate(cells, headers=COLUMNS, tablefmt="latex_booktabs", disable_numparse=True)
    finding = f"{ablation.finding_for(profile) or ''} ".lstrip()
    caption = (
        f"{ablation.title}. {ablation.question} {finding}Measured on {record.data['name']} "
        f"(profile {profile}); deltas are with minus without, paired by seed, with 95% intervals."
    )
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\small",
        table,
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{ablation.name}-{profile}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return ``text`` so that LaTeX prints it as it is, by tabulate's rules for cells."""
    return "".join(LATEX_ESCAPE_RULES.get(character, character) for character in text)
