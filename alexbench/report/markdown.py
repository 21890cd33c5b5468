"""The Markdown report of one ablation under one profile."""

from collections.abc import Sequence

from tabulate import tabulate

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.pairs import by_rate, chosen
from alexbench.config import metrics
from alexbench.config.ablation import SET_BY_HAND, Ablation
from alexbench.report import text
from alexbench.report.text import TextTable
from alexbench.runs.record import RunRecord


def render(
    ablation: Ablation,
    profile: str,
    records: Sequence[RunRecord],
    comparison: Sequence[ComparisonRow],
    tuning: TextTable | None,
    refusals: Sequence[str],
) -> str:
    """Return the report's text: question, verdicts, table, learning rates, what was left out."""
    measured = [record for record in records if record.purpose == "measure"]
    parts = [
        f"# {ablation.title}",
        ablation.question,
        *([f"**{finding}**"] if (finding := ablation.finding_for(profile)) else []),
        f"Profile `{profile}`, regime `{ablation.regime}`. {data_line(measured[0])}",
        *verdicts(comparison),
        "## Comparison",
        table(text.headline(comparison)),
        NOTES,
        "![error against epoch](curves.png)",
        "## Arms",
        table(arms(ablation, measured)),
        tuning_line(ablation, measured),
        *(["## Tuning", table(tuning), tuning_note(ablation)] if tuning else []),
    ]
    if refusals:
        parts += ["## Left out", "\n".join(f"- {line}" for line in refusals)]
    return "\n\n".join(part for part in parts if part) + "\n"


NOTES = """\
Deltas are (with) minus (without), paired by seed, in percentage points, with a 95% interval over \
new seeds; x marks a ratio. The share is measured / claimed, in log odds for errors and in logs \
for ratios: 0 is no effect, 1 is as claimed. "At one rate": each arm was measured at one learning \
rate, so the interval does not know that the rate was chosen. p is two-sided, after Holm over the \
claims of this table. The sources' numbers are single runs: SE is their binomial standard error. A \
run that diverged counts with the error of guessing; a run that never reached the target is \
censored, not dropped. All columns are in `comparison.csv`."""


def data_line(record: RunRecord) -> str:
    """What was measured on, in words."""
    data = record.data
    return (
        f"Data: {data['name']} ({data['source']}), {len(data['classes']):,} classes, "
        f"{data['train_images']:,} training and {data['test_images']:,} test images, "
        f"sha256 `{str(data['sha256'])[:12]}`."
    )


def verdicts(comparison: Sequence[ComparisonRow]) -> list[str]:
    """Return a heading and a line a verdict; nothing where no claim has a verdict."""
    lines = [
        f"- **{row.verdict}**: {text.claim_of(row)}, {row.variant} against {row.baseline}. "
        f"{text.sentence(row)}"
        for row in comparison
        if row.verdict
    ]
    return ["## Verdicts", "\n".join(lines)] if lines else []


def arms(ablation: Ablation, records: Sequence[RunRecord]) -> TextTable:
    """A row a variant: its learning rate, what tuning chose, seeds and parameters."""
    columns = [
        "variant",
        "what",
        "learning rates",
        "tuned",
        "epochs",
        "seeds",
        "diverged",
        "parameters",
    ]
    rows = []
    for variant in ablation.variants:
        runs = [record for record in records if record.variant == variant]
        if runs:
            train, tuned = runs[0].config["train"], chosen(runs[0])
            rows.append(
                [
                    variant + (" (baseline)" if variant == ablation.baseline else ""),
                    ablation.about.get(variant, ablation.labels.get(variant, text.MISSING)),
                    ", ".join(f"{rate:.4g}" for rate in by_rate(runs)),
                    ", ".join(f"{key} {value}" for key, value in tuned.items()) or "no",
                    str(train["epochs"]),
                    str(len({run.seed for run in runs})),
                    str(sum(run.status == "diverged" for run in runs)),
                    f"{runs[0].model['parameters']:,}",
                ]
            )
    return TextTable(columns, rows)


def tuning_line(ablation: Ablation, records: Sequence[RunRecord]) -> str:
    """Returns a sentence on whether and how settings were tuned."""
    if ablation.tune_reason:
        return f"Not tuned: {ablation.tune_reason}"
    if not any(map(chosen, records)):  # the file alone does not know
        return f"Not tuned: {SET_BY_HAND}"
    return "Tuned settings were chosen for each variant on seeds that are not measured."


def tuning_note(ablation: Ablation) -> str:
    """Returns a sentence on what the numbers of the tuning table are."""
    metric = metrics.METRICS[ablation.metrics[0]]
    which = "training images that are held back"
    if metric.tunes == "training":
        which = "the images trained on, none of them of the test"
    return (
        f"{metric.name} on {which}, on seeds that are not measured "
        f"({ablation.tune_seeds} a value); * is what the variant was measured with."
    )


def table(texts: TextTable) -> str:
    """Return the table in Markdown; nothing in a cell can break it."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in texts.rows]
    return tabulate(cells, headers=texts.columns, tablefmt="pipe", disable_numparse=True)
