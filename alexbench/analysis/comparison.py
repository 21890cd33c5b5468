"""Records -> the comparison: a row a claim, and a row a metric of each variant, against a baseline.

Runs are paired by seed. A seed that one arm lacks, whose metric was not measured, or (for timings)
whose two runs were made on different machines or for different ablations, is dropped and counted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from alexbench.analysis import stats
from alexbench.analysis.pairs import (
    arm_mean,
    confidence,
    mcnemar,
    p_value,
    pair,
    to_differences,
    tuned_settings,
)
from alexbench.config import metrics, references
from alexbench.config.ablation import Ablation
from alexbench.config.metrics import Metric
from alexbench.config.references import Claim, Effect
from alexbench.runs.record import RunRecord

SIGNED = ("reproduced", "same sign", "opposite")  # verdicts of an interval without zero


class Question(NamedTuple):
    """Which pair of arms is compared on which metric, and what is claimed of it."""

    metric: str
    baseline: str
    variant: str
    claim: str | None = None


@dataclass(frozen=True)
class ComparisonRow:
    """A row of comparison.csv. ``delta`` and its bounds are percentage points, or ratios.

    The means are over the pairs: arithmetic for differences, geometric for ratios. ``p_value`` is
    the sign-flip test's, ``t_p_value`` the paired t test's; both are adjusted in judge, and there
    are none of what is counted and not measured.
    ``paper_se`` is computed from the released runs behind the paper's number where the paper
    gives a delta only.
    """

    ablation: str
    profile: str
    data: str
    metric: str
    baseline: str
    variant: str
    num_pairs: int
    baseline_mean: float
    variant_mean: float
    delta: float
    ci_low: float
    ci_high: float
    p_value: float
    paper_delta: float
    notebook_delta: float
    verdict: str
    same_data: str
    claim: str
    claimed_direction: str
    paper_se: float
    notebook_se: float
    unit: str
    kind: str
    p_holm: float
    t_p_value: float
    t_p_holm: float
    mcnemar_p: float
    equivalence_p: float
    seeds_for_80_power: float
    dropped_seeds: int
    baseline_diverged: int
    variant_diverged: int
    baseline_censored: int
    variant_censored: int
    tuned: str


def comparison(
    ablation: Ablation, profile: str, records: Sequence[RunRecord]
) -> list[ComparisonRow]:
    """Return the judged rows of the measured ``records``, those of claims first."""
    measured = [record for record in records if record.purpose == "measure"]
    return judge(
        [
            answer(question, ablation.name, profile, planned(question, ablation, measured))
            for question in questions(ablation)
        ]
    )


def planned(
    question: Question, ablation: Ablation, records: Sequence[RunRecord]
) -> list[RunRecord]:
    """Returns the records of the seeds that are planned for both arms."""
    limits = [ablation.most_seeds(arm) for arm in (question.baseline, question.variant)]
    most = min((limit for limit in limits if limit is not None), default=math.inf)
    return [record for record in records if record.seed < most]


def questions(ablation: Ablation) -> Iterator[Question]:
    """Yield a question a claim and metric, then one for every other metric of every variant."""
    claimed = list(dict.fromkeys(claim_questions(ablation)))
    yield from claimed
    answered = {question[:3] for question in claimed}
    answered |= {(q.metric, q.variant, q.baseline) for q in claimed}  # the same arms, turned round
    for variant in ablation.variants:
        for metric in ablation.metrics:
            key = (metric, ablation.baseline, variant)
            if variant != ablation.baseline and key not in answered:
                yield Question(*key)


def claim_questions(ablation: Ablation) -> Iterator[Question]:
    """Yield the questions of the claims: one for each use of a claim and metric."""
    for claim_id, uses in ablation.claims.items():
        for use in uses:
            about = [use.metric] if use.metric else references.claim(claim_id).metrics()
            for metric in about:
                yield Question(metric, use.baseline or ablation.baseline, use.variant, claim_id)


def answer(
    question: Question, ablation: str, profile: str, records: Sequence[RunRecord]
) -> ComparisonRow:
    """Returns one row; judge() adds what depends on the whole table."""
    metric = metrics.METRICS[question.metric]
    pairs = pair(metric, question.baseline, question.variant, records)
    differences = to_differences(metric, pairs)
    interval = confidence(metric, differences, pairs)
    censored = any(reading.censored for reading in (*pairs.baseline, *pairs.variant))
    paper, notebook = claimed_effects(question)
    target = paper or notebook
    data = records[0].data if records else {}
    claim = references.claim(question.claim) if question.claim else None
    return ComparisonRow(
        ablation=ablation,
        profile=profile,
        data=str(data.get("name", "")),
        metric=metric.name,
        unit=metric.unit,
        kind=metric.kind,
        claim=question.claim or "",
        baseline=question.baseline,
        variant=question.variant,
        num_pairs=len(differences),
        dropped_seeds=pairs.dropped_seeds,
        baseline_diverged=sum(run.status == "diverged" for run, _ in pairs.runs),
        variant_diverged=sum(run.status == "diverged" for _, run in pairs.runs),
        baseline_censored=sum(reading.censored for reading in pairs.baseline),
        variant_censored=sum(reading.censored for reading in pairs.variant),
        baseline_mean=arm_mean(metric, pairs.baseline),
        variant_mean=arm_mean(metric, pairs.variant),
        delta=shown(metric, interval.estimate),
        ci_low=shown(metric, interval.low),
        ci_high=shown(metric, interval.high),
        p_value=math.nan if metric.exact else p_value(differences, pairs),
        p_holm=math.nan,
        t_p_value=math.nan if metric.exact else stats.t_test(differences),
        t_p_holm=math.nan,
        mcnemar_p=mcnemar(pairs) if metrics.is_per_example(metric.name) else math.nan,
        equivalence_p=math.nan if censored else equivalence(target, differences),
        paper_delta=size(paper),
        claimed_direction=direction(target),
        paper_se=standard_error(paper, notebook if paper else None),
        notebook_delta=size(notebook),
        notebook_se=standard_error(notebook),
        verdict=first_verdict(target, interval),
        seeds_for_80_power=math.nan if censored else seeds_wanted(target, differences),
        same_data="" if claim is None or not data else yes(references.same_data(claim, data)),
        tuned=tuned_settings(pairs),
    )


def judge(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Adjust the p values over the table, and take back verdicts that do not survive it.

    Two families: the rows that a claim is about, decided before anything was measured, and the
    rest. A claim whose interval excludes zero, but not after Holm's adjustment of the paired t
    tests of all claims in the table, is inconclusive: so the chance that a table without any true
    effect says reproduced, same sign or opposite anywhere is at most 5%.
    """
    p_holm = adjusted(rows, [row.p_value for row in rows])
    t_p_holm = adjusted(rows, [row.t_p_value for row in rows])
    judged = [
        replace(row, p_holm=p, t_p_holm=t_p)
        for row, p, t_p in zip(rows, p_holm, t_p_holm, strict=True)
    ]
    return [
        replace(row, verdict="inconclusive")
        if row.verdict in SIGNED and row.t_p_holm > stats.ALPHA
        else row
        for row in judged
    ]


def adjusted(rows: Sequence[ComparisonRow], p_values: Sequence[float]) -> list[float]:
    """Return each row's p value after Holm's adjustment within its family.

    The families are the rows that a claim is about, and the rest. Two claims about one test count
    once.
    """
    tests = [(bool(row.claim), row.metric, row.baseline, row.variant) for row in rows]
    before = dict(zip(tests, p_values, strict=True))
    after: dict[tuple[bool, str, str, str], float] = {}
    for claimed in (True, False):
        family = [test for test in before if test[0] == claimed]
        after |= zip(family, stats.holm([before[test] for test in family]), strict=True)
    return [after[test] for test in tests]


def shown(metric: Metric, value: float) -> float:
    """Returns a value of the test's scale on the table's: a log ratio becomes a ratio."""
    return value if metric.kind == "difference" else math.exp(value)


def claimed_effects(question: Question) -> tuple[Effect | None, Effect | None]:
    """What the claim's source and the authors' notebook say about the question."""
    if question.claim is None:
        return None, None
    claim: Claim = references.claim(question.claim)
    arms = (question.baseline, question.variant)
    return claim.effect(question.metric, arms), claim.notebook_effect(question.metric, arms)


def first_verdict(claimed: Effect | None, interval: stats.Interval) -> str:
    """Returns the verdict before Holm's adjustment; empty without a claim."""
    if claimed is None:
        return ""
    return stats.verdict(*interval, claimed.log_or_points, sign_only=claimed.size is None)


def equivalence(claimed: Effect | None, differences: list[float]) -> float:
    """Returns the equivalence test's p at half the claimed size; NaN without a size."""
    if claimed is None or claimed.size is None:
        return math.nan
    return stats.tost_p(differences, abs(claimed.log_or_points) / 2)


def seeds_wanted(claimed: Effect | None, differences: list[float]) -> float:
    """Returns the pairs for 80% power at the claimed size; NaN if unknown or hopeless."""
    if claimed is None or claimed.size is None:
        return math.nan
    seeds = stats.seeds_needed(claimed.log_or_points, stats.sd(differences))
    return math.nan if seeds is None else seeds


def size(effect: Effect | None) -> float:
    """Returns the claimed size in points or as a ratio; NaN without one."""
    return math.nan if effect is None or effect.size is None else effect.size


def direction(effect: Effect | None) -> str:
    """Returns higher or lower, as claimed; empty without a claim."""
    if effect is None:
        return ""
    return "higher" if effect.log_or_points > 0 else "lower"


def standard_error(*effects: Effect | None) -> float:
    """The binomial standard error of the first of these that has one."""
    errors = [effect.standard_error for effect in effects if effect]
    return next((error for error in errors if error is not None), math.nan)


def yes(value: bool) -> str:
    """Returns yes or no."""
    return "yes" if value else "no"
