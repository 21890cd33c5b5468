"""Records -> the comparison: a row a claim, and a row a metric of each variant, against a baseline.

Runs are paired by seed. A seed that one arm lacks, whose metric was not measured, or (for timings)
whose two runs were made on different machines or for different ablations, is dropped and counted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from alexbench.analysis import pairs as paired
from alexbench.analysis import scales, stats, verdict
from alexbench.analysis.pairs import Pairs
from alexbench.config import metrics, references
from alexbench.config.ablation import Ablation
from alexbench.config.metrics import Metric
from alexbench.config.references import Claim, Effect
from alexbench.runs import metric_values
from alexbench.runs.record import RunRecord

Scale = Literal["points", "log odds", "log ratio"]


class Question(NamedTuple):
    """Which pair of arms is compared on which metric, and what is claimed of it.

    ``control``: the variant is the claim's control, which should not show the effect.
    """

    metric: str
    baseline: str
    variant: str
    claim: str | None = None
    control: bool = False


@dataclass(frozen=True)
class ComparisonRow:
    """A row of comparison.csv. ``delta`` and its bounds are in ``delta_unit``: points, or a ratio.

    Each arm is taken at its own best learning rate, where it was measured at ``rates`` of more than
    one; with one the comparison is "at one rate". ``delta`` is variant minus baseline with its 95%
    interval over new seeds; ``ci_low_new_images`` and ``ci_high_new_images`` are for new test
    images too. ``sign``, ``share`` (measured / claimed, with its interval) and ``verdict`` are
    judged on ``scale``. ``p_value``: two-sided, of the interval's own t, a time that was not
    reached counting as its bound; ``p_holm``: adjusted over this ablation's table; none of both for
    what is counted. ``log_rank_p``: of the paired log-rank test, where times were not reached.
    ``baseline_lr`` and ``variant_lr``: the measured learning rate nearest to the arm's best one.
    ``finding``: what the ablation's file says of the records of this profile.
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
    role: str
    regime: str
    rates: int
    delta_unit: str
    scale: str
    sign: str
    share: float
    share_low: float
    share_high: float
    p_holm: float
    log_rank_p: float
    ci_low_new_images: float
    ci_high_new_images: float
    seeds_to_settle: float
    claimed_direction: str
    paper_se: float
    notebook_se: float
    unit: str
    kind: str
    dropped_seeds: int
    baseline_diverged: int
    variant_diverged: int
    baseline_censored: int
    variant_censored: int
    baseline_did_not_learn: int
    variant_did_not_learn: int
    baseline_lr: float
    variant_lr: float
    tuned: str
    baseline_label: str
    variant_label: str
    finding: str


MEASURED = (  # the columns of a row that its runs decide
    *("rates", "num_pairs", "baseline_mean", "variant_mean", "delta", "ci_low", "ci_high"),
    *("scale", "sign", "share", "share_low", "share_high", "p_value", "p_holm", "log_rank_p"),
    *("ci_low_new_images", "ci_high_new_images", "seeds_to_settle", "dropped_seeds"),
    *("baseline_diverged", "variant_diverged", "baseline_censored", "variant_censored"),
    *("baseline_did_not_learn", "variant_did_not_learn", "baseline_lr", "variant_lr", "tuned"),
)


class Answer(NamedTuple):
    """A row before it is judged, with what the judgement needs: both effects on one scale."""

    row: ComparisonRow
    measured: verdict.Measured
    claimed: verdict.Claimed | None


def comparison(
    ablation: Ablation, profile: str, records: Sequence[RunRecord]
) -> list[ComparisonRow]:
    """The judged rows of the measured ``records``, those of claims first."""
    measured = [record for record in records if record.purpose == "measure"]
    return judge(
        [
            answer(question, ablation, profile, planned(question, ablation, measured))
            for question in questions(ablation)
        ]
    )


def planned(
    question: Question, ablation: Ablation, records: Sequence[RunRecord]
) -> list[RunRecord]:
    """Those of the seeds that both arms were to have: others have no pair, and miss none."""
    limits = [ablation.most_seeds(arm) for arm in (question.baseline, question.variant)]
    most = min((limit for limit in limits if limit is not None), default=math.inf)
    return [record for record in records if record.seed < most]


def questions(ablation: Ablation) -> Iterator[Question]:
    """Yields a question a claim and metric, the controls, then every other metric and variant."""
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
    """Yields the questions of the claims, each followed by that of its control."""
    for claim_id, uses in ablation.claims.items():
        for use in uses:
            about = [use.metric] if use.metric else references.claim(claim_id).metrics()
            for metric in at_levels(about, ablation.metrics):
                baseline = use.baseline or ablation.baseline
                yield Question(metric, baseline, use.variant, claim_id)
                if use.control:
                    yield Question(metric, baseline, use.control, claim_id, control=True)


def at_levels(about: Sequence[str], asked: Sequence[str]) -> Iterator[str]:
    """The metrics of a claim; one that is read at levels is asked at those of the ablation."""
    for metric in about:
        if metric in metrics.AT_LEVEL:
            yield from (name for name in asked if metrics.stem(name) == metric)
        else:
            yield metric


def answer(
    question: Question, ablation: Ablation, profile: str, records: Sequence[RunRecord]
) -> Answer:
    """Answers one question, but for what depends on the whole table (judge)."""
    metric = metrics.METRICS[question.metric]
    arms = (question.baseline, question.variant)
    pairs = paired.pair(metric, arms, records)
    target = next(filter(None, claimed_effects(question)), None)
    scale = scale_of(metric, target)
    shown = paired.compare(pairs)
    judged = paired.compare(pairs, odds=True) if scale == "log odds" else shown
    claimed = on_scale(target, scale) if target else None
    measured = verdict.Measured(judged.interval, len(pairs.seeds), exact=metric.exact)
    settle = None if claimed is None else verdict.seeds_to_settle(measured, claimed)
    images = paired.new_images(pairs, shown.interval)
    row = replace(
        told_of_runs(unanswered(question, ablation, profile, records), pairs),
        scale=scale if claimed else "",
        num_pairs=len(pairs.seeds),
        rates=pairs.num_rates,
        baseline_mean=back(metric, shown.baseline.value),
        variant_mean=back(metric, shown.variant.value),
        delta=back(metric, shown.interval.estimate),
        ci_low=back(metric, shown.interval.low),
        ci_high=back(metric, shown.interval.high),
        p_value=math.nan if metric.exact else judged.p_value,
        log_rank_p=paired.log_rank_p(pairs),
        ci_low_new_images=images.low,
        ci_high_new_images=images.high,
        seeds_to_settle=math.nan if settle is None else settle,
    )
    return Answer(row, measured, claimed)


def unanswered(
    question: Question, ablation: Ablation, profile: str, records: Sequence[RunRecord]
) -> ComparisonRow:
    """The row of a question with what its sources claim, and nothing measured."""
    metric = metrics.METRICS[question.metric]
    paper, notebook = claimed_effects(question)
    nothing = dict.fromkeys(MEASURED, math.nan)
    return ComparisonRow(
        ablation=ablation.name,
        profile=profile,
        regime=ablation.regime,
        data=records[0].data["name"] if records else "",
        verdict="",
        claim=question.claim or "",
        role="control" if question.control else "claim" if question.claim else "",
        metric=metric.name,
        baseline=question.baseline,
        variant=question.variant,
        baseline_label=ablation.labels.get(question.baseline, question.baseline),
        variant_label=ablation.labels.get(question.variant, question.variant),
        delta_unit=delta_unit(metric),
        paper_delta=size(paper),
        notebook_delta=size(notebook),
        claimed_direction=direction(paper or notebook),
        paper_se=standard_error(paper),
        notebook_se=standard_error(notebook),
        same_data=same_data(question, records),
        unit=metric.unit,
        kind=metric.kind,
        finding=ablation.finding_for(profile) or "",
        **nothing,  # type: ignore[arg-type]
    )


def told_of_runs(row: ComparisonRow, pairs: Pairs) -> ComparisonRow:
    """The row with what became of the runs of both arms, and what was tuned for them."""
    baseline, variant = pairs.best_runs()
    late = paired.censored(pairs)
    return replace(
        row,
        sign="",
        dropped_seeds=pairs.dropped_seeds,
        baseline_diverged=sum(run.status == "diverged" for run in baseline),
        variant_diverged=sum(run.status == "diverged" for run in variant),
        baseline_censored=sum(late[0]),
        variant_censored=sum(late[1]),
        baseline_did_not_learn=sum(map(metric_values.did_not_learn, baseline)),
        variant_did_not_learn=sum(map(metric_values.did_not_learn, variant)),
        baseline_lr=paired.rate_of(baseline),
        variant_lr=paired.rate_of(variant),
        tuned=paired.tuned_settings(pairs),
    )


def same_data(question: Question, records: Sequence[RunRecord]) -> str:
    """Whether the claim was made on the data of the records: yes, no, or nothing to say."""
    if not question.claim or not records:
        return ""
    same = references.same_data(references.claim(question.claim), records[0].data)
    return "yes" if same else "no"


def judge(answers: Sequence[Answer]) -> list[ComparisonRow]:
    """The rows with p values adjusted over the table, and the word of each claim.

    Two families: the rows that a claim is about (with their controls), decided before anything
    was measured, and the rest. The sign of a claim is open where Holm's adjustment takes it back:
    so the chance that a table without any true effect says reproduced, smaller, larger or opposite
    anywhere is at most 5%.
    """
    adjusted_p = adjusted([each.row for each in answers])
    return [
        judged(each._replace(row=replace(each.row, p_holm=p)))
        for each, p in zip(answers, adjusted_p, strict=True)
    ]


def judged(found: Answer) -> ComparisonRow:
    """The row of an answer with its word; without one where nothing is claimed."""
    row, measured, claimed = found
    if claimed is None:
        return row
    said = verdict.judge(measured._replace(adjusted_p=row.p_holm), claimed)
    return replace(
        row,
        verdict=said.word,
        sign=said.sign,
        share=said.share.estimate,
        share_low=said.share.low,
        share_high=said.share.high,
    )


def adjusted(rows: Sequence[ComparisonRow]) -> list[float]:
    """Each row's p value after Holm's adjustment within its family.

    The families are the rows that a claim is about, and the rest. Two claims about one test count
    once.
    """
    tests = [(bool(row.claim), row.metric, row.baseline, row.variant) for row in rows]
    before = dict(zip(tests, (row.p_value for row in rows), strict=True))
    after: dict[tuple[bool, str, str, str], float] = {}
    for claimed in (True, False):
        family = [test for test in before if test[0] == claimed]
        after |= zip(family, stats.holm([before[test] for test in family]), strict=True)
    return [after[test] for test in tests]


def scale_of(metric: Metric, claimed: Effect | None) -> Scale:
    """On which scale sizes are compared: log odds where both errors of the claim are known."""
    if metric.kind != "difference":
        return "log ratio"
    return "log odds" if metric.odds and claimed and claimed.values else "points"


def on_scale(claimed: Effect, scale: Scale) -> verdict.Claimed:
    """A claim on the scale of the comparison, with its own standard error there."""
    bound, sign_only = claimed.said == "beyond", claimed.size is None
    if scale != "log odds" or claimed.values is None:
        error = standard_error(claimed) if scale == "points" else math.nan
        if scale == "log ratio" and claimed.delta_se and claimed.size:
            error = claimed.delta_se / claimed.size
        return verdict.Claimed(claimed.log_or_points, error, bound, sign_only)
    delta, error = scales.claimed_log_odds(*claimed.values, claimed.images or paired.MANY_IMAGES)
    known = claimed.images is not None or claimed.delta_se is not None
    if claimed.delta_se is not None:
        error = scales.points_to_log_odds(claimed.delta_se, stats.mean(claimed.values))
    return verdict.Claimed(delta, error if known else math.nan, bound, sign_only)


def back(metric: Metric, value: float) -> float:
    """From the scale of the test to that of the table: a log becomes a ratio, or a time."""
    return value if metric.kind == "difference" else math.exp(value)


def delta_unit(metric: Metric) -> str:
    """The unit of ``delta``: points of a percentage, the metric's own, or a ratio."""
    if metric.kind != "difference":
        return "ratio"
    return "points" if metric.unit == "%" else metric.unit


def claimed_effects(question: Question) -> tuple[Effect | None, Effect | None]:
    """What the claim's source and the authors' notebook say about the question."""
    if question.claim is None:
        return None, None
    claim: Claim = references.claim(question.claim)
    arms = (question.baseline, question.variant)
    return claim.effect(question.metric, arms), claim.notebook_effect(question.metric, arms)


def size(effect: Effect | None) -> float:
    """The claimed delta in points, or the ratio; NaN where there is none."""
    return math.nan if effect is None or effect.size is None else effect.size


def direction(effect: Effect | None) -> str:
    """Which way the claim goes: higher, lower, or nothing."""
    if effect is None:
        return ""
    return "higher" if effect.log_or_points > 0 else "lower"


def standard_error(effect: Effect | None) -> float:
    """The binomial standard error of a claimed difference, in points; NaN where unknown."""
    error = None if effect is None else effect.standard_error
    return math.nan if error is None else error
