"""Tables and the sentence of result for a terminal: coloured, and never wider than it is."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate
from typer import style

from alexbench.analysis.comparison import ComparisonRow
from alexbench.errors import printable
from alexbench.report import text
from alexbench.report.text import TextTable
from alexbench.report.verdicts import LOOKS

WITHOUT_A_TERMINAL = 200  # columns: where nobody said how wide the output is
INDENT = 15  # columns that a verdict takes


def width() -> int:
    """The columns of the terminal, or of $COLUMNS."""
    return shutil.get_terminal_size((WITHOUT_A_TERMINAL, 24)).columns


def table(texts: TextTable, columns: int) -> str:
    """The table with a line a row, or with two and more where that is wider than ``columns``.

    The first column holds verdicts, and is coloured.
    """
    texts = TextTable(texts.columns, [list(map(printable, row)) for row in texts.rows])
    wide = tabulate(texts.rows, headers=texts.columns, tablefmt="simple", disable_numparse=True)
    if max(map(len, wide.splitlines()), default=0) <= columns:
        head, rule, *rows = wide.splitlines()
        return "\n".join([head, rule, *map(coloured, rows)])
    return "\n".join(folded(texts.columns, row, columns) for row in texts.rows)


def folded(names: Sequence[str], row: Sequence[str], columns: int) -> str:
    """A row on two lines: verdict and question, then the numbers; longer ones wrap."""
    word, _, notes = row[0].partition(", ")
    measured, *rest = row[2:]
    said = [f"{name.partition(' [')[0]} {cell}" for name, cell in zip(names[3:], rest, strict=True)]
    said = [each for each in said if not each.endswith(f" {text.MISSING}")]
    lines = []
    for start, line in ((word, row[1]), ("", "; ".join([measured, *said, *filter(None, [notes])]))):
        lines += textwrap.wrap(
            line,
            max(columns, 40),
            initial_indent=start.ljust(INDENT),
            subsequent_indent=" " * INDENT,
            break_on_hyphens=False,
        )
    return "\n".join([coloured(lines[0]), *lines[1:]])


def coloured(line: str) -> str:
    """The line with the verdict at its beginning in colour."""
    for word, look in LOOKS.items():
        if line.startswith(word):
            return style(word, fg=look.terminal, bold=True) + line[len(word) :]
    return line


def result(comparison: Sequence[ComparisonRow]) -> str:
    """One sentence on what was found: the first claim, and how many others have which verdict.

    Nothing where no row has a verdict.
    """
    judged = [row for row in comparison if row.verdict]
    if not judged:
        return ""
    first, *others = judged
    look = LOOKS[first.verdict]
    share = text.share(first)
    said = [style(first.verdict, fg=look.terminal, bold=True)]
    said += [f"{share} of the claim"] if share != text.MISSING else []
    said += ["at one rate"] if text.at_one_rate(first) else []
    counts = Counter((row.role, row.verdict) for row in others)
    more = [
        f"{count} {'control' if role == 'control' else 'more'} {word}"
        for (role, word), count in counts.items()
    ]
    tail = f" ({', '.join(more)})" if more else ""
    claimed = f"claimed {text.claims(first)}{tail}"
    return (
        f"{first.ablation}, {first.profile}: {', '.join(said)}: {text.arms(first)} on "
        f"{first.data}, {text.named(first)} {text.interval(first)}, {claimed}."
    )


def about(labels: dict[str, str], told: dict[str, str], names: Sequence[str]) -> str:
    """A line an arm that the ablation's file explains; nothing where it explains none."""
    lines = [f"  {labels.get(name, name)}: {told[name]}" for name in names if name in told]
    return "\n".join(["Arms:", *lines]) if lines else ""
