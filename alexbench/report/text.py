"""Numbers and verdicts as a reader sees them: in the terminal, Markdown, LaTeX and HTML alike."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.verdict import FEWEST_PAIRS
from alexbench.config import metrics, references
from alexbench.report import sources

Comparisons = Sequence[tuple[Path, Sequence[ComparisonRow]]]  # each with the folder of its runs
MISSING = "-"
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
MIB = 2**20
SURE = 1.96  # standard errors: a claim within so many of 0 could be none
HEADLINE = [
    "verdict",
    "claim and arms",
    "measured [95% CI]",
    "claimed",
    "n",
    "share [95% CI]",
    "regime",
]


class TextTable(NamedTuple):
    """A table of texts: a row has a text for each column."""

    columns: list[str]
    rows: list[list[str]]


def headline(comparison: Sequence[ComparisonRow]) -> TextTable:
    """Return the columns of the comparison that a person compares, the verdict first."""
    rows = [
        [
            word(row),
            question(row),
            interval(row),
            claims(row),
            pairs(row),
            share(row),
            row.regime,
        ]
        for row in comparison
    ]
    return TextTable(HEADLINE, rows)


def word(row: ComparisonRow) -> str:
    """The verdict as tables have it: whether at one rate, and the seeds that it would need."""
    notes = [f"{seeds:,} seeds would settle it"] if (seeds := more_seeds(row)) else []
    if row.verdict and at_one_rate(row):
        notes.append("at one rate")
    return ", ".join([row.verdict or MISSING, *notes])


def question(row: ComparisonRow) -> str:
    """``lrn: both vs none, test error``: the claim, if there is one, the arms and the metric."""
    claim = f"{claim_of(row)}: " if row.claim else ""
    return f"{claim}{arms(row)}, {named(row)}"


def named(row: ComparisonRow) -> str:
    """The title of the metric of a row."""
    return metrics.METRICS[row.metric].title


def arms(row: ComparisonRow) -> str:
    """Both arms, as their labels say."""
    return f"{row.variant_label} vs {row.baseline_label}"


def claims(row: ComparisonRow) -> str:
    """What the paper, and what the authors' notebook reports: ``-1.40 ± 0.31 (notebook -1.37)``."""
    paper, notebook = claimed(row, "paper"), claimed(row, "notebook")
    paper, notebook = (said.replace("(SE ", "± ").removesuffix(")") for said in (paper, notebook))
    if notebook == MISSING:
        return paper
    if paper == MISSING:
        return f"{notebook} (notebook)"
    return f"{paper} (notebook {size(row.kind, row.notebook_delta)})"


def claim_of(row: ComparisonRow) -> str:
    """The id of the claim, and whether the row is its control."""
    return f"{row.claim}, control" if row.role == "control" else row.claim or MISSING


def share(row: ComparisonRow) -> str:
    """Measured / claimed with its interval: 0 is no effect, 1 is as claimed."""
    if math.isnan(row.share):
        return MISSING
    if math.isnan(row.share_low):
        return f"{row.share:.2f}"
    return f"{row.share:.2f} [{row.share_low:.2f}, {row.share_high:.2f}]"


def pairs(row: ComparisonRow) -> str:
    """Number of pairs, with dropped seeds, diverged and censored runs."""
    notes = []
    if row.dropped_seeds:
        notes.append(f"{row.dropped_seeds} dropped")
    if diverged := row.baseline_diverged + row.variant_diverged:
        notes.append(f"{diverged} diverged")
    if censored := row.baseline_censored + row.variant_censored:
        notes.append(f"{censored} censored")
    if idle := row.baseline_did_not_learn + row.variant_did_not_learn - diverged:
        notes.append(f"{idle} did not learn")
    return str(row.num_pairs) + (f" ({', '.join(notes)})" if notes else "")


def value(unit: str, number: float) -> str:
    """A metric's value in its unit."""
    if math.isnan(number):
        return MISSING
    if unit == "%":
        return f"{number:.2f}%"
    if unit == "bytes":
        return f"{number / MIB:,.0f} MiB"
    if unit == "":
        return f"{number:,.0f}"
    return f"{significant(number)} {unit}"


def significant(number: float) -> str:
    """Three significant digits, without an exponent where a person would write none."""
    if math.isinf(number) or number == 0 or abs(number) < 1e-4:
        return f"{number:.3g}"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:,.{digits}f}"


def size(kind: str, number: float) -> str:
    """A delta in points with its sign, or a ratio; from the six digits that comparison.csv has."""
    if math.isnan(number):
        return MISSING
    number = float(f"{number:.6g}")  # else two tables round one number in two ways
    if kind == "difference":
        return f"{number:+.2f}"
    return "xinf" if math.isinf(number) else f"x{significant(number)}"


def interval(row: ComparisonRow) -> str:
    """The measured delta with its interval; a censored ratio is a bound."""
    kind = row.kind
    if math.isnan(row.delta):
        return MISSING
    bound = ""
    if row.baseline_censored and not row.variant_censored:
        bound = "at most "
    if row.variant_censored and not row.baseline_censored:
        bound = "at least "
    if math.isnan(row.ci_low):
        return f"{bound}{size(kind, row.delta)} [n = 1]"
    low, high = (size(kind, end).removeprefix("x") for end in (row.ci_low, row.ci_high))
    return f"{bound}{size(kind, row.delta)} [{low}, {high}]"


def claimed(row: ComparisonRow, who: Literal["paper", "notebook"]) -> str:
    """What a source reports: its delta with the standard error of a single run, or a direction."""
    number, error = row.paper_delta, row.paper_se
    if who == "notebook":
        number, error = row.notebook_delta, row.notebook_se
    if math.isnan(number):
        has_sign = who == "paper" and row.claim and row.claimed_direction
        sign_only = has_sign and math.isnan(row.notebook_delta)
        return row.claimed_direction if sign_only else MISSING
    said = ""
    if claim := references.known_claim(row.claim):
        effect_of = claim.effect if who == "paper" else claim.notebook_effect
        effect = effect_of(row.metric, (row.baseline, row.variant))
        said = f"{effect.said} " if effect and effect.said else ""
    spread = "" if math.isnan(error) else f" (SE {error:.2f})"
    return said + size(row.kind, number) + spread


def signed(number: str) -> str:
    """A number's text with a minus sign and a times sign in place of letters."""
    return re.sub(r"-(?=\d)", MINUS, re.sub(r"\bx(?=\d|inf)", TIMES, number))


def p_value(number: float) -> str:
    """Returns a p value with three decimals."""
    if math.isnan(number):
        return MISSING
    return "<0.001" if number < 0.001 else f"{number:.3f}"


def verdict(row: ComparisonRow) -> str:
    """The verdict, at how many rates it was measured, and the data that are not the claim's."""
    if not row.verdict:
        return MISSING
    notes = [] if row.same_data == "yes" else [f"on {data(row)}"]
    if at_one_rate(row):
        notes.append("at one rate")
    return row.verdict + (f" ({', '.join(notes)})" if notes else "")


def at_one_rate(row: ComparisonRow) -> bool:
    """Whether one arm or both were measured at one learning rate, though it could matter."""
    return row.rates == 1 and not metrics.METRICS[row.metric].exact


def data(row: ComparisonRow) -> str:
    """The data's name; where the claim's data have that name too, that these are not the same."""
    study = references.known_claim(row.claim)
    names = references.load().data_sets[study.data].names if study and study.data else ()
    differs = row.same_data == "no" and row.data in names
    return f"{row.data}, not the same images" if differs else row.data


def sentence(row: ComparisonRow) -> str:
    """One claim in words: what was claimed, what was measured, what follows."""
    claim = references.claim(row.claim)
    unit = "" if row.kind != "difference" else " points"
    said = claimed(row, "paper")
    if math.isnan(row.paper_delta):
        said = said if said != MISSING else f"{claimed(row, 'notebook')}{unit} (released notes)"
    else:
        said += unit
    title = metrics.METRICS[row.metric].title
    text = (
        f"Claimed for {title}: {said}, {sources.runs(claim)}, on {references.data_title(claim)}. "
        f"Measured on {row.data or 'nothing yet'}: {interval(row)}{unit}, pairs: {pairs(row)}"
        + (f"; measured / claimed: {share(row)} in {row.scale}." if share(row) != MISSING else ".")
    )
    if row.same_data == "no":
        text += (
            f" The claim was made on {references.data_title(claim)}; "
            f"it was measured here on {data(row)}."
        )
    if abs(row.paper_delta) <= SURE * row.paper_se:
        text += " The source's own interval holds no effect."
    if at_one_rate(row):
        text += " One arm or both were measured at one learning rate."
    return f"{text}{why(row)}"


def why(row: ComparisonRow) -> str:
    """What an inconclusive verdict would need."""
    if row.verdict != "inconclusive":
        return ""
    if row.num_pairs < FEWEST_PAIRS:
        return f" Fewer than {FEWEST_PAIRS} pairs decide nothing: more seeds are needed."
    if row.baseline_censored and row.variant_censored:
        return " Runs of both arms never got there: it would take more epochs to tell."
    if excludes_zero(row):
        return " The interval excludes no effect, but not after Holm's adjustment over the claims."
    if seeds := more_seeds(row):
        return f" About {seeds:,} seeds would give 80% power at the claimed size."
    if not math.isnan(row.seeds_to_settle):
        return " The spread would do to see the claimed size; it is too wide to say that none is."
    return ""


def excludes_zero(row: ComparisonRow) -> bool:
    """Whether the printed interval excludes no effect."""
    null = 0 if row.kind == "difference" else 1
    return row.ci_low > null or row.ci_high < null


def more_seeds(row: ComparisonRow) -> int | None:
    """The seeds that would settle an inconclusive row; None where there are as many already."""
    seeds = row.seeds_to_settle
    if row.verdict != "inconclusive" or math.isnan(seeds) or seeds <= row.num_pairs:
        return None
    return None if excludes_zero(row) else int(seeds)


def others(row: ComparisonRow) -> str:
    """What others measured of the claim's technique on the same metric, each on its own."""
    if not row.claim:
        return MISSING
    said = []
    for replication in references.replications_of(row.claim):
        effect = replication.effect(row.metric)
        if effect is not None and effect.size is not None:
            said.append(f"{size(row.kind, effect.size)} {replication.title}")
    return "; ".join(said) or MISSING


def count(number: float) -> str:
    """Returns a whole number."""
    return MISSING if math.isnan(number) else f"{number:,.0f}"
