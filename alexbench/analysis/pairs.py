"""Runs paired by seed, at one learning rate or at several, and what they say of two arms."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alexbench.analysis import rates, scales, stats
from alexbench.analysis.images import new_images_interval
from alexbench.analysis.paired_times import paired_log_rank_p
from alexbench.config.metrics import METRICS, Metric
from alexbench.runs import metric_values
from alexbench.runs.metric_values import MetricValue
from alexbench.runs.record import RunRecord, unpack_correct

# equal, or no timing
TIMED_ALIKE = ("processor", "device", "num_threads", "jobs", "trained_for")
TIMED_ALIKE_ON_GPU = ("torch", "cuda", "cudnn", "driver")  # versions
SAME_CLOCK = 1.03  # of two GPUs' clocks the largest ratio
MANY_IMAGES = 1_000_000  # in place of a test set whose size is not known

_UNKNOWN = rates.Best(math.nan, math.nan)
NOTHING = rates.RateComparison(
    stats.Interval(math.nan, math.nan, math.nan), math.nan, math.nan, (), _UNKNOWN, _UNKNOWN
)

Runs = Mapping[float, Sequence[RunRecord]]  # learning rate -> runs, the seeds in one order


@dataclass(frozen=True)
class Pairs:
    """The runs of both arms by learning rate, all with the same seeds in the same order.

    ``guide``: the metric whose minimum chooses an arm's rate where the compared one has none.
    """

    metric: Metric
    guide: Metric
    baseline: Runs
    variant: Runs
    seeds: tuple[int, ...]
    dropped_seeds: int

    @property
    def num_rates(self) -> int:
        """The rates at which both arms were measured; the fewer of the two."""
        return min(len(self.baseline), len(self.variant))

    def best_runs(self) -> tuple[list[RunRecord], list[RunRecord]]:
        """The runs of each arm at the measured rate nearest to its best one."""
        return _nearest(self.baseline, self), _nearest(self.variant, self)


def pair(
    metric: Metric, arms: tuple[str, str], records: Sequence[RunRecord], guide: str = "test_error"
) -> Pairs:
    """Match the runs of two arms (baseline, variant) by seed.

    A seed counts if both arms have it at each of their rates, measured. Timings and counts are
    compared at one rate of each arm, the tuned one if its runs were timed alike.
    """
    found = [by_rate([run for run in records if run.variant == name]) for name in arms]
    if metric.timing or metric.exact:
        found = _at_one_rate(metric, found)
    every = sorted({seed for arm in found for runs in arm.values() for seed in runs})
    seeds = tuple(seed for seed in every if _complete(metric, found, seed))
    chosen = [{rate: [runs[seed] for seed in seeds] for rate, runs in arm.items()} for arm in found]
    return Pairs(
        metric=metric,
        guide=METRICS[guide] if metric.tunes is None else metric,
        baseline=chosen[0],
        variant=chosen[1],
        seeds=seeds,
        dropped_seeds=len(every) - len(seeds),
    )


def by_rate(runs: Sequence[RunRecord]) -> dict[float, dict[int, RunRecord]]:
    """The runs of an arm: learning rate -> seed -> run, rates ascending."""
    found: dict[float, dict[int, RunRecord]] = {}
    for run in sorted(runs, key=lambda run: float(run.config["train"]["lr"])):
        found.setdefault(float(run.config["train"]["lr"]), {})[run.seed] = run
    return found


def _at_one_rate(
    metric: Metric, arms: Sequence[dict[float, dict[int, RunRecord]]]
) -> list[dict[float, dict[int, RunRecord]]]:
    """Each arm at the rate at which most seeds can be compared; of equal ones the tuned one.

    How soon a target is reached depends on the rate: it is the tuned one, whatever can be paired.
    """
    most = 1 if metric.tunes else None
    choices = [[{rate: arm[rate]} for rate in _from_the_tuned(arm)[:most]] or [{}] for arm in arms]

    def num_pairs(chosen: Iterable[dict[float, dict[int, RunRecord]]]) -> int:
        found = list(chosen)
        seeds = {seed for runs in found[0].values() for seed in runs}
        return sum(_complete(metric, found, seed) for seed in seeds)

    return list(max(itertools.product(*choices), key=num_pairs))


def _from_the_tuned(arm: Mapping[float, Mapping[int, RunRecord]]) -> list[float]:
    """The rate that tuning chose, then the others from the middle one on."""
    tuned = {run.tuned.get("train.lr") for runs in arm.values() for run in runs.values()}
    every = sorted(arm)
    return sorted(
        every, key=lambda rate: (rate not in tuned, abs(every.index(rate) - len(every) // 2))
    )


def _complete(metric: Metric, arms: Sequence[dict[float, dict[int, RunRecord]]], seed: int) -> bool:
    """Whether a seed was measured at every rate of both arms, and can be compared."""
    if not all(arm and all(seed in runs for runs in arm.values()) for arm in arms):
        return False
    runs = [[runs[seed] for runs in arm.values()] for arm in arms]
    values = [metric_values.read(metric.name, run).value for arm in runs for run in arm]
    return not any(map(math.isnan, values)) and comparable(metric, runs[0][0], runs[1][0])


def comparable(metric: Metric, first: RunRecord, second: RunRecord) -> bool:
    """Whether two runs can be compared on a metric: timings of one sweep on one machine."""
    return not metric.timing or (
        _timed_on(first) == _timed_on(second) and _same_clock(first, second)
    )


def _timed_on(run: RunRecord) -> list[object]:
    """What two runs must have in common for their times to be compared."""
    environment = run.environment
    versions = () if environment["device"] == "cpu" else TIMED_ALIKE_ON_GPU
    return [environment.get(key) for key in TIMED_ALIKE] + [
        environment["versions"].get(name) for name in versions
    ]


def _same_clock(first: RunRecord, second: RunRecord) -> bool:
    """Whether a GPU kept its clock from one run to the other, or it is known of neither."""
    one, other = (run.environment.get("clock_megahertz") for run in (first, second))
    if one is None or other is None:
        return one == other
    return max(one, other) <= SAME_CLOCK * min(one, other)


def rate_of(runs: Sequence[RunRecord]) -> float:
    """The learning rate of runs that have the same; NaN of none."""
    return float(runs[0].config["train"]["lr"]) if runs else math.nan


def _nearest(arm: Runs, pairs: Pairs) -> list[RunRecord]:
    if not pairs.seeds:
        return []
    best = rates.best(_values(arm, pairs.guide, odds=False)).rate
    return list(arm[min(arm, key=lambda rate: abs(math.log(rate / best)))])


def _values(arm: Runs, metric: Metric, odds: bool) -> dict[float, list[float]]:
    """Values by rate on the scale of the comparison.

    A rate at which a time was only known to be longer counts as infinitely long, where another
    rate of the arm was reached at all seeds. Where none was, the rate with the fewest censored
    and the shortest times stands alone, its bounds as values.
    A rate at which a net did not learn counts as infinitely bad, unless one did not at every rate:
    a parabola through nets that learned and nets at chance has a minimum below all of them.
    """
    read = {rate: read_all(metric, runs) for rate, runs in arm.items()}
    late = {rate: sum(value.censored for value in values) for rate, values in read.items()}
    if late and min(late.values()) > 0:
        totals = {rate: math.fsum(value.value for value in read[rate]) for rate in read}
        alone = min(read, key=lambda rate: (late[rate], totals[rate]))
        read, late = {alone: read[alone]}, {alone: 0}
    idle = {rate for rate in read if any(map(metric_values.did_not_learn, arm[rate]))}
    cliffs = {rate for rate in read if late[rate]} | (idle if idle < read.keys() else set())
    return {
        rate: [
            math.inf if rate in cliffs else on_scale(metric, value.value, run, odds)
            for value, run in zip(values, arm[rate], strict=True)
        ]
        for rate, values in read.items()
    }


def on_scale(metric: Metric, value: float, run: RunRecord, odds: bool) -> float:
    """A value as it is compared: log odds, log (times, sizes), or as it is."""
    if metric.kind != "difference":
        return math.log(value)
    return scales.log_odds(value, num_images(metric, run)) if odds else value


def num_images(metric: Metric, run: RunRecord) -> int:
    """How many images an error was counted on."""
    if "train_error" in metric.name and not metric.name.startswith("test"):
        return int(run.config["evaluate"]["train_images"] or run.data["train_images"])
    return int(run.data["test_images"])


def compare(pairs: Pairs, odds: bool = False) -> rates.RateComparison:
    """Variant minus baseline, each arm at its best rate; ``odds``: in log odds.

    The interval is open on the side that censored times leave open.
    """
    metric = pairs.metric
    if not pairs.seeds:
        return NOTHING
    arms = [_values(arm, metric, odds) for arm in (pairs.baseline, pairs.variant)]
    by = None
    if pairs.guide != metric:
        by = (
            _values(pairs.baseline, pairs.guide, odds=False),
            _values(pairs.variant, pairs.guide, odds=False),
        )
    found = rates.compare(arms[0], arms[1], chosen_by=by, floor=floor(pairs, odds))
    late = censored(pairs)
    estimate, low, high = found.interval
    return found._replace(
        interval=stats.Interval(
            estimate,
            -math.inf if any(late[0]) else low,
            math.inf if any(late[1]) else high,
        )
        if not math.isnan(low)
        else found.interval
    )


def floor(pairs: Pairs, odds: bool) -> float:
    """The least spread of a difference that the size of the test set leaves (scales)."""
    metric, runs = pairs.metric, pairs.best_runs()
    if not runs[0] or metric.kind != "difference" or metric.unit != "%" or metric.exact:
        return 0.0
    images = num_images(metric, runs[0][0])
    counts = disagreements(runs) if metric.name == "test_error" else None
    only = [value / len(runs[0]) for value in counts] if counts else [0.0, 0.0]
    points = scales.spread_floor(only[0], only[1], images)
    if not odds:
        return points
    errors = [metric_values.read(metric.name, run).value for arm in runs for run in arm]
    edge = min(100 / images, 50.0)  # a single image is right or wrong
    mean = min(max(stats.mean(errors), edge), 100 - edge)
    return scales.points_to_log_odds(points, mean)


def disagreements(runs: tuple[list[RunRecord], list[RunRecord]]) -> tuple[int, int] | None:
    """Images that the baseline, and that the variant alone got right, over all pairs.

    None where a run diverged.
    """
    correct = [[unpack_correct(run) for run in arm] for arm in runs]
    baseline_only = variant_only = 0
    for first, second in zip(*correct, strict=True):
        if first is None or second is None:
            return None
        baseline_only += int(np.sum(first & ~second))
        variant_only += int(np.sum(~first & second))
    return baseline_only, variant_only


def new_images(pairs: Pairs, interval: stats.Interval) -> stats.Interval:
    """The interval of a difference of test errors, widened for new test images.

    Seeds and images are two-way random effects, at the measured rates nearest to the best ones.
    NaN where the metric is another one, or a run diverged.
    """
    runs = pairs.best_runs()
    nothing = stats.Interval(interval.estimate, math.nan, math.nan)
    if pairs.metric.name != "test_error" or len(pairs.seeds) < 2 or disagreements(runs) is None:
        return nothing
    correct = [np.array([unpack_correct(run) for run in arm]) for arm in runs]
    found = new_images_interval(correct[0], correct[1])
    freedom = len(pairs.seeds) - 1
    quantile = stats.t_quantile((1 + stats.LEVEL) / 2, freedom)
    seeds_half = (interval.high - interval.low) / 2
    half = math.hypot(seeds_half, quantile * math.sqrt(found.image_variance))
    return stats.Interval(interval.estimate, interval.estimate - half, interval.estimate + half)


def censored(pairs: Pairs) -> tuple[list[bool], list[bool]]:
    """Whether each seed's value is only a lower bound, at the arm's best rate."""
    baseline, variant = (
        [metric_values.read(pairs.metric.name, run).censored for run in arm]
        for arm in pairs.best_runs()
    )
    return baseline, variant


def log_rank_p(pairs: Pairs) -> float:
    """The p of the paired log-rank test; NaN where every time was reached."""
    late = censored(pairs)
    if not any(late[0]) and not any(late[1]):
        return math.nan
    times = [[value.value for value in read_all(pairs.metric, arm)] for arm in pairs.best_runs()]
    return paired_log_rank_p(times[0], late[0], times[1], late[1])


def read_all(metric: Metric, runs: Sequence[RunRecord]) -> list[MetricValue]:
    """The metric of each run."""
    return [metric_values.read(metric.name, run) for run in runs]


def at_best_rate(records: Sequence[RunRecord], guide: str) -> list[RunRecord]:
    """Of each variant the runs at its best measured rate, by the mean of the metric ``guide``.

    For tables and curves of single arms. A rate where a run did not get there comes last.
    """
    kept: dict[str, float] = {}
    for variant in dict.fromkeys(run.variant for run in records):
        arm = by_rate([run for run in records if run.variant == variant])
        kept[variant] = min(arm, key=lambda rate: _mean_or_late(arm[rate].values(), guide))
    return [run for run in records if float(run.config["train"]["lr"]) == kept[run.variant]]


def _mean_or_late(runs: Iterable[RunRecord], guide: str) -> tuple[int, float]:
    read = [metric_values.read(guide, run) for run in runs]
    return sum(value.censored for value in read), stats.mean([value.value for value in read])


def tuned_settings(pairs: Pairs) -> str:
    """What tuning chose for either arm: ``train.lr 0.01 / 0.05`` (baseline / variant)."""
    runs = pairs.best_runs()
    if not runs[0]:
        return ""
    arms = [chosen(arm[0]) for arm in runs]
    keys = list(dict.fromkeys([*arms[0], *arms[1]]))
    return "; ".join(f"{key} {arms[0].get(key, '-')} / {arms[1].get(key, '-')}" for key in keys)


def chosen(record: RunRecord) -> dict[str, str]:
    """The settings that were tuned for a run, by their dotted keys."""
    return {
        key: f"{value:.4g}" if isinstance(value, float) else str(value)
        for key, value in record.tuned.items()
        if "." in key
    }
