"""Runs paired by seed, and what their readings say about the difference of two arms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alexbench.analysis import stats
from alexbench.config.metrics import Metric
from alexbench.runs import metric_values
from alexbench.runs.metric_values import MetricValue
from alexbench.runs.record import RunRecord, unpack_correct

# equal, or no timing
TIMED_ALIKE = ("processor", "device", "num_threads", "precision", "jobs", "trained_for")


@dataclass(frozen=True)
class Pairs:
    """The readings of both arms, seed by seed, and the runs that they come from."""

    baseline: list[MetricValue]
    variant: list[MetricValue]
    runs: list[tuple[RunRecord, RunRecord]]
    dropped_seeds: int


def pair(metric: Metric, baseline: str, variant: str, records: Sequence[RunRecord]) -> Pairs:
    """Match the two arms' runs by seed."""
    arms = [{r.seed: r for r in records if r.variant == name} for name in (baseline, variant)]
    seeds = sorted(arms[0].keys() | arms[1].keys())
    both = [(arms[0][seed], arms[1][seed]) for seed in seeds if all(seed in arm for arm in arms)]
    whole = [
        (runs, tuple(metric_values.read(metric.name, run) for run in runs))
        for runs in both
        if comparable(metric, *runs)
    ]
    kept = [(runs, read) for runs, read in whole if not any(math.isnan(r.value) for r in read)]
    return Pairs(
        baseline=[read[0] for _, read in kept],
        variant=[read[1] for _, read in kept],
        runs=[runs for runs, _ in kept],
        dropped_seeds=len(seeds) - len(kept),
    )


def comparable(metric: Metric, first: RunRecord, second: RunRecord) -> bool:
    """Say whether two runs can be compared on a metric: timings of one sweep on one machine."""
    timed = [[run.environment.get(key) for key in TIMED_ALIKE] for run in (first, second)]
    return not metric.timing or timed[0] == timed[1]


def to_differences(metric: Metric, pairs: Pairs) -> list[float]:
    """Return variant minus baseline, or the logs of variant over baseline."""
    baseline = [reading.value for reading in pairs.baseline]
    variant = [reading.value for reading in pairs.variant]
    if metric.kind != "difference":
        return stats.log_ratios(baseline, variant)
    return [v - b for b, v in zip(baseline, variant, strict=True)]


def confidence(metric: Metric, differences: list[float], pairs: Pairs) -> stats.Interval:
    """Returns the 95% t interval; an open one where times are censored."""
    if metric.kind != "time_to_target":
        return stats.t_interval(differences)
    censored = [[reading.censored for reading in arm] for arm in (pairs.baseline, pairs.variant)]
    return stats.censored_interval(differences, *censored)


def p_value(differences: list[float], pairs: Pairs) -> float:
    """The sign-flip p; the log-rank p where a run was censored."""
    arms = (pairs.baseline, pairs.variant)
    times = [[reading.value for reading in arm] for arm in arms]
    censored = [[reading.censored for reading in arm] for arm in arms]
    if any(censored[0]) or any(censored[1]):
        return stats.log_rank_p(times[0], censored[0], times[1], censored[1])
    return stats.sign_flip_p(differences)


def mcnemar(pairs: Pairs) -> float:
    """McNemar's p over the test images of all pairs of which both runs finished."""
    baseline_only = variant_only = finished = 0
    for runs in pairs.runs:
        correct = [unpack_correct(run) for run in runs]
        if correct[0] is not None and correct[1] is not None:
            finished += 1
            baseline_only += int(np.sum(correct[0] & ~correct[1]))
            variant_only += int(np.sum(~correct[0] & correct[1]))
    return stats.mcnemar_p(baseline_only, variant_only) if finished else math.nan


def arm_mean(metric: Metric, readings: Sequence[MetricValue]) -> float:
    """Returns the arithmetic mean of a difference's arm, the geometric mean of a ratio's."""
    values = [reading.value for reading in readings]
    if metric.kind == "difference" or not values:
        return stats.mean(values)
    return math.exp(stats.mean([math.log(value) for value in values]))


def tuned_settings(pairs: Pairs) -> str:
    """What tuning chose for either arm: ``train.lr 0.01 / 0.05`` (baseline / variant)."""
    if not pairs.runs:
        return ""
    arms = [chosen(run) for run in pairs.runs[0]]
    keys = list(dict.fromkeys([*arms[0], *arms[1]]))
    return "; ".join(f"{key} {arms[0].get(key, '-')} / {arms[1].get(key, '-')}" for key in keys)


def chosen(record: RunRecord) -> dict[str, str]:
    """The settings that were tuned for a run, by their dotted keys."""
    return {
        key: f"{value:.4g}" if isinstance(value, float) else str(value)
        for key, value in record.tuned.items()
        if "." in key
    }
