"""The Markdown report of one ablation under one profile."""

from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from alexbench.analysis.pairs import chosen
from alexbench.config import metrics
from alexbench.config.ablation import SET_BY_HAND, Ablation
from alexbench.report import text
from alexbench.runs.record import RunRecord


def render(
    ablation: Ablation,
    profile: str,
    records: Sequence[RunRecord],
    comparison: pd.DataFrame,
    tuning: pd.DataFrame,
    refusals: Sequence[str],
) -> str:
    """Return the report's text: question, verdicts, table, learning rates, what was left out."""
    measured = [record for record in records if record.purpose == "measure"]
    parts = [
        f"# {ablation.title}",
        ablation.question,
        f"Profile `{profile}`. {data_line(measured[0])}",
        *verdicts(comparison),
        "## Comparison",
        table(text.headline(comparison)),
        NOTES,
        "![error against epoch](curves.png)",
        "## Arms",
        table(arms(ablation, measured)),
        tuning_line(ablation, measured),
        *([] if tuning.empty else ["## Tuning", table(tuning), tuning_note(ablation)]),
    ]
    if refusals:
        parts += ["## Left out", "\n".join(f"- {line}" for line in refusals)]
    return "\n\n".join(part for part in parts if part) + "\n"


NOTES = """\
Deltas are (with) minus (without), paired by seed, in percentage points, with a 95% paired-t \
interval; x marks a ratio. p is the sign-flip test's (log-rank where runs were censored). The \
sources' numbers are single runs: SE is their binomial standard error. A run that diverged counts \
with the error of guessing; a run that never reached the target is censored, not dropped. All \
columns, with Holm, McNemar and equivalence, are in `comparison.csv`."""


def data_line(record: RunRecord) -> str:
    """What was measured on, in words."""
    data = record.data
    return (
        f"Data: {data['name']} ({data['source']}), {len(data['classes']):,} classes, "
        f"{data['train_images']:,} training and {data['test_images']:,} test images, "
        f"sha256 `{str(data['sha256'])[:12]}`."
    )


def verdicts(comparison: pd.DataFrame) -> list[str]:
    claims = comparison[comparison["claim"] != ""].to_dict("records")
    lines = [
        f"- **{row['claim']}**, {row['variant']} against {row['baseline']}: "
        f"**{row['verdict'] or 'no number claimed'}**. {text.sentence(row)}"
        for row in claims
        if row["verdict"]
    ]
    return ["## Verdicts", "\n".join(lines)] if lines else []


def arms(ablation: Ablation, records: Sequence[RunRecord]) -> pd.DataFrame:
    """A row a variant: its learning rate, what tuning chose, seeds and parameters."""
    rows = []
    for variant in ablation.variants:
        runs = [record for record in records if record.variant == variant]
        if runs:
            rows.append(
                {
                    "variant": variant + (" (baseline)" if variant == ablation.baseline else ""),
                    "learning rate": f"{runs[0].config['train']['lr']:.4g}",
                    "tuned": ", ".join(f"{k} {v}" for k, v in chosen(runs[0]).items()) or "no",
                    "epochs": str(runs[0].config["train"]["epochs"]),
                    "seeds": str(len(runs)),
                    "diverged": str(sum(run.status == "diverged" for run in runs)),
                    "parameters": f"{runs[0].model['parameters']:,}",
                }
            )
    return pd.DataFrame(rows)


def tuning_line(ablation: Ablation, records: Sequence[RunRecord]) -> str:
    if ablation.tune_reason:
        return f"Not tuned: {ablation.tune_reason}"
    if not any(map(chosen, records)):  # the file alone does not know
        return f"Not tuned: {SET_BY_HAND}"
    return "Tuned settings were chosen for each variant on seeds that are not measured."


def tuning_note(ablation: Ablation) -> str:
    metric = metrics.METRICS[ablation.metrics[0]]
    which = "training images that are held back"
    if metric.tunes == "training":
        which = "the images trained on, none of them of the test"
    return (
        f"{metric.name} on {which}, on seeds that are not measured "
        f"({ablation.tune_seeds} a value); * is what the variant was measured with."
    )


def table(frame: pd.DataFrame) -> str:
    """A frame of texts as a Markdown table; nothing in a cell can break it."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in frame.to_numpy()]
    return tabulate(cells, headers=list(frame.columns), tablefmt="pipe", disable_numparse=True)
