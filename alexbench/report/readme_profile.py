"""The README's table of one profile: each claim beside paper and notebook, and what it all cost."""

from collections.abc import Callable, Sequence
from pathlib import Path

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.stats import holm
from alexbench.errors import BadInput
from alexbench.report import readme_claims, text
from alexbench.report.text import Comparisons
from alexbench.runs import record
from alexbench.runs.record import RunRecord

COLUMNS = [
    "verdict",
    "ablation",
    "arms",
    "metric",
    "measured [95% CI]",
    "share [95% CI]",
    "paper",
    "notebook",
    "n",
    "p, Holm",
    "p, Holm here",
]


def render(tables: Comparisons, tell: Callable[[str], None] = lambda line: None) -> str:
    """Return the table in Markdown, a row a claim and metric, over (folder, comparison).

    Below it stand the data, the runs (tuning included) and the core hours of their records.
    """
    claims = [(folder, row) for folder, table in tables for row in table if row.claim]
    here = holm([row.p_value for _, row in claims])
    rows = [cells(folder, row, p) for (folder, row), p in zip(claims, here, strict=True)]
    runs = [run for folder, _ in tables for run in records(folder, tell)]
    return (
        f"{readme_claims.markdown(COLUMNS, rows)}\n\n{cost(runs)}"
        if runs
        else readme_claims.NOT_YET
    )


def cells(folder: Path, row: ComparisonRow, p_holm_here: float) -> list[str]:
    """The cells of a row that a claim is about; p after Holm twice."""
    return [
        readme_claims.verdict(row),
        f"`{folder.parent.name}`" + (", control" if row.role == "control" else ""),
        f"{row.variant} vs {row.baseline}",
        row.metric,
        text.interval(row),
        text.share(row),
        text.claimed(row, "paper"),
        text.claimed(row, "notebook"),
        text.pairs(row),
        text.p_value(row.p_holm),
        text.p_value(p_holm_here),
    ]


def records(folder: Path, tell: Callable[[str], None]) -> list[RunRecord]:
    """Return the records of a folder, whatever they were trained for; ``tell`` hears of others."""
    found = []
    for kind in ("runs", "members", "tuning"):
        for path in sorted(folder.glob(f"{kind}/*.json")):
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
    seconds = sum(
        run.environment["num_threads"] * (row["train_seconds"] + row["evaluate_seconds"])
        for run in runs
        for row in run.history
    )
    data = sorted({f"{run.data['name']} ({run.data['source']})" for run in runs})
    processors = sorted({str(run.environment["processor"]) for run in runs})
    to_tune = sum(run.purpose == "tune" for run in runs)
    return (
        f"On {', '.join(data)}: {len(runs)} runs, of which {to_tune} to tune, "
        f"in {seconds / 3600:.1f} core hours of {', '.join(processors)}."
    )
