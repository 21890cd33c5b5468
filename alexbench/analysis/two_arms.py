"""Two arms of plain numbers: paired where their seeds match, else Welch's interval."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from alexbench.analysis import stats, verdict
from alexbench.analysis.stats import Interval

Values = Mapping[str, float]  # seed -> value; of unnamed seeds the keys are the rows' own
MOST_LOG = math.log(sys.float_info.max)
LEAST_SHARE = 0.5  # of the smaller arm's seeds that the other arm must have, to be pairs


@dataclass(frozen=True)
class TwoArms:
    """Variant minus baseline (or variant / baseline) with its 95% interval over seeds.

    ``how``: paired (by seed), unpaired (Welch), or target (the baseline is one given number).
    ``n_baseline`` and ``n_variant``: the values that count. ``verdict``: lower or higher where
    ``p_holm``, adjusted over the table, is at most 0.05, else open; with a claim as in reports.
    """

    metric: str
    baseline: str
    variant: str
    how: Literal["paired", "unpaired", "target"]
    n_baseline: int
    n_variant: int
    dropped: int
    baseline_mean: float
    variant_mean: float
    delta: float
    ci_low: float
    ci_high: float
    p_value: float
    p_holm: float
    verdict: str
    ratio: bool = False


def matching(baseline: Values, variant: Values) -> list[str]:
    """The seeds of the pairs; none where the arms do not have the same seeds.

    Half of the smaller arm must have a partner: 0..9 against 9..18 are no pairs.
    """
    common = [seed for seed in baseline if seed in variant]
    enough = len(common) >= max(2, LEAST_SHARE * min(len(baseline), len(variant)))
    return common if enough else []


def compare(
    metric: str, arms: tuple[str, str], values: tuple[Values, Values], *, ratio: bool = False
) -> TwoArms:
    """Compares the two arms (baseline, variant); ``ratio``: by the logs of the values, all above 0.

    The verdict is left to ``judge``.
    """
    baseline, variant = values
    seeds = matching(baseline, variant)
    kept = [[arm[seed] for seed in seeds or arm] for arm in values]
    scaled = [[math.log(value) for value in arm] if ratio else arm for arm in kept]
    if seeds:
        differences = [v - b for b, v in zip(*scaled, strict=True)]
        interval, p = stats.t_interval(differences), stats.t_test(differences)
    else:
        interval, p = welch(*scaled)
    back = exp if ratio else float
    return TwoArms(
        metric=metric,
        baseline=arms[0],
        variant=arms[1],
        how="paired" if seeds else "unpaired",
        n_baseline=len(kept[0]),
        n_variant=len(kept[1]),
        dropped=len(baseline) + len(variant) - len(kept[0]) - len(kept[1]),
        baseline_mean=back(stats.mean(scaled[0])),
        variant_mean=back(stats.mean(scaled[1])),
        delta=back(interval.estimate),
        ci_low=back(interval.low),
        ci_high=back(interval.high),
        p_value=p,
        p_holm=math.nan,
        verdict="",
        ratio=ratio,
    )


def against(metric: str, arm: str, values: Values, target: float) -> TwoArms:
    """Compares an arm with a number by the t interval of its mean; without a verdict, as above."""
    differences = [value - target for value in values.values()]
    interval = stats.t_interval(differences)
    return TwoArms(
        metric=metric,
        baseline=f"{target:g}",
        variant=arm,
        how="target",
        n_baseline=1,
        n_variant=len(differences),
        dropped=0,
        baseline_mean=target,
        variant_mean=stats.mean(list(values.values())),
        delta=interval.estimate,
        ci_low=interval.low,
        ci_high=interval.high,
        p_value=stats.t_test(differences),
        p_holm=math.nan,
        verdict="",
    )


def welch(baseline: Sequence[float], variant: Sequence[float]) -> tuple[Interval, float]:
    """The difference of two means with Welch's interval, and its two-sided p (Biometrika 1947).

    NaN bounds and p where an arm has fewer than two values.
    """
    estimate = stats.mean(variant) - stats.mean(baseline)
    if min(len(baseline), len(variant)) < 2:
        return Interval(estimate, math.nan, math.nan), math.nan
    parts = [stats.sd(arm) ** 2 / len(arm) for arm in (baseline, variant)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Interval(estimate, estimate, estimate), float(estimate == 0)
    shares = [part / sum(parts) for part in parts]  # the fourth power of a value can be infinite
    sizes = (len(baseline), len(variant))
    freedom = 1 / sum(share**2 / (n - 1) for share, n in zip(shares, sizes, strict=True))
    half = stats.t_quantile((1 + stats.LEVEL) / 2, freedom) * error
    p = 2 * stats.t_tail(abs(estimate) / error, freedom)
    return Interval(estimate, estimate - half, estimate + half), p


def exp(logarithm: float) -> float:
    """e to a power; infinity where that is beyond a float."""
    return math.inf if logarithm >= MOST_LOG else math.exp(logarithm)


def log(ratio: float) -> float:
    """The natural logarithm; -infinity of 0."""
    return math.log(ratio) if ratio else -math.inf


def judge(
    rows: Sequence[TwoArms], claimed: float | None = None, *, ratio: bool = False
) -> list[TwoArms]:
    """The rows with p values after Holm's adjustment over all of them, and a verdict each.

    claimed: a delta, or with ``ratio`` a ratio, that the rows of that kind are judged against, as
    if it were known exactly.
    """
    after = stats.holm([row.p_value for row in rows])
    return [
        replace(row, p_holm=p, verdict=word(row, p, claimed if row.ratio == ratio else None))
        for row, p in zip(rows, after, strict=True)
    ]


def word(row: TwoArms, p_holm: float, claimed: float | None) -> str:
    """The verdict against a claim; without one lower, higher or open."""
    ends = [log(end) if row.ratio else end for end in (row.delta, row.ci_low, row.ci_high)]
    if claimed is None:
        if not p_holm <= stats.ALPHA:
            return "open"
        return "higher" if ends[0] > 0 else "lower"
    size = math.log(claimed) if row.ratio else claimed
    pairs = row.n_variant if row.how == "target" else min(row.n_baseline, row.n_variant)
    measured = verdict.Measured(Interval(*ends), pairs, p_holm)
    return verdict.judge(measured, verdict.Claimed(size)).word
