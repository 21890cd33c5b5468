"""The Markdown report of one ablation under one profile."""

import re
from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from alexbench.analysis import stats
from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.pairs import at_best_rate, by_rate, chosen
from alexbench.config import metrics
from alexbench.config.ablation import Ablation
from alexbench.errors import printable
from alexbench.report import text
from alexbench.report.material import Material
from alexbench.report.text import TextTable
from alexbench.report.threats import threats
from alexbench.report.verdicts import LOOKS
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord


def render(material: Material, drawn: Sequence[str]) -> str:
    """Return the report's text: question, finding, verdicts, table, arms, what was left out.

    drawn: the names of the figures that lie beside the report.
    """
    ablation, records = material.ablation, material.records
    finding = f"**{plain(material.finding)}**" if material.finding else ""
    parts = [
        f"# {plain(ablation.title)}",
        paragraph(ablation.question),
        finding,
        f"Profile `{code(material.profile)}`, regime `{ablation.regime}`. "
        f"{plain(data_line(records[0]))}",
        *verdicts(material.comparison),
        " ".join(image(name) for name in ("forest", "rates") if name in drawn),
        "## Comparison",
        table(text.headline(material.comparison)),
        NOTES,
        meanings(material.comparison),
        image("curves") if "curves" in drawn else "",
        "## Arms",
        table(arms(ablation, records)),
        plain(tuning_line(ablation, records)),
    ]
    if material.tried:
        parts += [
            "## Tuning",
            table(narrow(material.tried)),
            tuning_note(ablation, material.tuning),
        ]
    if found := threats(material):
        parts += ["## Threats to validity", bullets(found)]
    if material.left_out:
        parts += ["## Left out", bullets(material.left_out)]
    return "\n\n".join(part for part in parts if part) + "\n"


ALTERNATIVES = {
    "forest": "each delta beside what sources report",
    "rates": "error against learning rate",
    "curves": "error against epoch",
}


def plain(said: str) -> str:
    """A text on one line that Markdown shows as it is: no HTML, link, image or entity.

    Code spans of our own texts stay: a backtick does no harm, if they are in pairs.
    """
    line = printable(" ".join(said.split()))
    if line.count("`") % 2:
        line = line.replace("`", "\\`")
    line = re.sub(r"<(?=[A-Za-z/!?])", r"\\<", line)
    line = re.sub(r"&(?=#?\w+;)", r"\\&", line)
    return re.sub(r"\](?=[(\[:])", r"\\]", line)


def paragraph(said: str) -> str:
    """A text as a paragraph: what Markdown would take for a heading, list or quote is none."""
    return re.sub(r"^(?=[#>+=~\[-])|^(\d+)(?=[.)])", r"\1\\", plain(said))


def code(said: str) -> str:
    """A text for within backticks."""
    return printable(said).replace("`", "'")


def image(name: str) -> str:
    """A figure at the width of a column; the SVG lies beside it."""
    return f'<a href="{name}.svg"><img src="{name}.png" width="400" alt="{ALTERNATIVES[name]}"></a>'


def bullets(lines: Sequence[str]) -> str:
    """The lines as a list."""
    return "\n".join(f"- {plain(line)}" for line in lines)


def meanings(comparison: Sequence[ComparisonRow]) -> str:
    """What the verdicts of the table mean; nothing where there is none."""
    used = {row.verdict for row in comparison}
    said = [f"*{word}*: {look.meaning}" for word, look in LOOKS.items() if word in used]
    return f"{'; '.join(said)}." if said else ""


NOTES = """\
Measured is (with) minus (without), paired by seed, in percentage points, with a 95% interval over \
new seeds; x marks a ratio. Claimed: the source's single runs, ± their binomial standard error. \
The share is measured / claimed, in log odds for errors and in logs for ratios: 0 is no effect, 1 \
is as claimed. "At one rate": each arm was measured at one learning rate, so the interval does not \
know that the rate was chosen. n counts pairs of seeds. A run that diverged counts with the error \
of guessing; a run that never reached the target is censored, not dropped. Base errors, p values \
and all other columns are in `comparison.csv`, every run in `runs.csv` and `history.csv`."""


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
        f"- **{row.verdict}**: {plain(text.claim_of(row))}, {plain(row.variant_label)} against "
        f"{plain(row.baseline_label)}. "
        f"{plain(text.sentence(row))}"
        for row in comparison
        if row.verdict
    ]
    return ["## Verdicts", "\n".join(lines)] if lines else []


def arms(ablation: Ablation, records: Sequence[RunRecord]) -> TextTable:
    """A row a variant: its learning rate, what tuning chose, seeds and parameters."""
    columns = [
        "variant",
        "what",
        metrics.METRICS[ablation.metrics[0]].title,
        "learning rates",
        "tuned",
        "epochs",
        "seeds",
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
                    first_mean(ablation, at_best_rate(runs, ablation.metrics[0])),
                    ", ".join(f"{rate:.4g}" for rate in by_rate(runs)),
                    ", ".join(f"{key} {value}" for key, value in tuned.items()) or "no",
                    str(train["epochs"]),
                    seeds(runs),
                    f"{runs[0].model['parameters']:,}",
                ]
            )
    return TextTable(columns, rows)


def seeds(runs: Sequence[RunRecord]) -> str:
    """The number of seeds of an arm, and how many of its runs diverged."""
    diverged = sum(run.status == "diverged" for run in runs)
    note = f" ({diverged} diverged)" if diverged else ""
    return f"{len({run.seed for run in runs})}{note}"


def narrow(texts: TextTable) -> TextTable:
    """The table, turned so that its first column becomes the head where that is narrower."""
    if len(texts.rows) >= len(texts.columns):
        return texts
    first, *rest = zip(texts.columns, *texts.rows, strict=True)
    return TextTable(list(first), [list(row) for row in rest])


def first_mean(ablation: Ablation, runs: Sequence[RunRecord]) -> str:
    """The mean of the first metric over the runs of an arm; a bound where one never got there."""
    readings = [metric_values.read(ablation.metrics[0], run) for run in runs]
    bound = "> " if any(reading.censored for reading in readings) else ""
    mean = stats.mean([reading.value for reading in readings])
    return bound + text.value(metrics.METRICS[ablation.metrics[0]].unit, mean)


def tuning_line(ablation: Ablation, records: Sequence[RunRecord]) -> str:
    """Returns a sentence on whether and how settings were tuned."""
    if ablation.tune_reason:
        return f"Not tuned: {ablation.tune_reason}"
    if not any(map(chosen, records)):  # the file alone does not know
        return "Not tuned: the settings were given."
    return "Tuned settings were chosen for each variant on seeds that are not measured."


def tuning_note(ablation: Ablation, tuning: Sequence[RunRecord]) -> str:
    """Returns a sentence on what the numbers of the tuning table are."""
    metric = metrics.METRICS[ablation.metrics[0]]
    found = Counter((run.variant, repr(run.config)) for run in tuning).values()
    seeds = " to ".join(str(count) for count in sorted({min(found), max(found)}))
    which = "training images that are held back"
    if metric.tunes == "training":
        which = "the images trained on, none of them of the test"
    return (
        f"{metric.name} on {which}, on seeds that are not measured "
        f"({seeds} for each value); * is what the variant was measured with."
    )


def table(texts: TextTable) -> str:
    """Return the table in Markdown; nothing in a cell can break it."""
    cells = [[plain(cell).replace("|", "\\|") for cell in row] for row in texts.rows]
    columns = [plain(name).replace("|", "\\|") for name in texts.columns]
    return tabulate(cells, headers=columns, tablefmt="pipe", disable_numparse=True)
