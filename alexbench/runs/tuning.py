"""Tuning: choosing a value for each variant, as for the paper's Figure 1, without test images."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from alexbench.config.ablation import Ablation
from alexbench.config.overrides import override
from alexbench.config.schema import Config, Overrides
from alexbench.errors import BadInput
from alexbench.runs import metric_values, record
from alexbench.runs.metric_values import train_errors
from alexbench.runs.run import (
    MOST_BEYOND,
    NEIGHBOUR_RATIO,
    Identity,
    Run,
    measured_runs,
    three_digits,
    tuning_runs,
)
from alexbench.runs.store import RunStore

MOST_EXTENSIONS = 3
MOST_REFINEMENTS = 3
NEAR_ENOUGH = 1.05 * NEIGHBOUR_RATIO  # rates are rounded
Execute = Callable[[Sequence[Run]], None]


def tune(
    ablation: Ablation,
    identity: Identity,
    store: RunStore,
    execute: Execute,
    warn: Callable[[str], None],
) -> dict[str, Overrides]:
    """Choose the best value of the grid for each variant that has none yet.

    Tuning runs hold a part of the training images back: the test set has no say. They are scored
    on that part, or, by a metric of training, on the images that they are trained on, which are
    all of them where neighbours are measured.
    A grid whose best is at its edge is extended by its own ratio, up to MOST_EXTENSIONS times, so
    that it brackets the optimum. Where neighbours of the best are measured as well, the grid is
    refined around its best until the values beside it are sqrt(2) apart. Variants are extended
    and refined together, to keep every job busy.
    """
    chosen = {name: dict(values) for name, values in ablation.tuned.items()}
    for key, values in (ablation.tune or {}).items():
        grids = {
            name: sorted(values) for name in ablation.variants if key not in chosen.get(name, {})
        }
        refine = ablation.tune_neighbours > 0 and key == "train.lr"
        for _ in range(MOST_EXTENSIONS + MOST_REFINEMENTS * refine + 1):
            runs = {
                name: list(tuning_runs(ablation, name, key, grid, identity))
                for name, grid in grids.items()
            }
            execute([run for of_variant in runs.values() for run in of_variant])
            best = {name: choose(ablation, grids[name], runs[name], store) for name in grids}
            at_edge = {
                name
                for name, grid in grids.items()
                if best[name] in (grid[0], grid[-1]) and best[name] != 0  # nothing is below 0
            }
            coarse = {
                name for name in grids if refine and refined(grids[name], best[name]) != grids[name]
            }
            before = dict(grids)
            for name in at_edge:
                grids[name] = extended(ablation.variants[name], key, grids[name], best[name])
            for name in coarse - at_edge:
                grids[name] = refined(grids[name], best[name])
            if grids == before:
                break
        for name, value in best.items():
            chosen.setdefault(name, {})[key] = value
            if name in at_edge:
                warn(f"{name}: {key} {value:g} is at the edge of what was tried: widen tune")
    return chosen


def widened(ablation: Ablation, identity: Identity, store: RunStore) -> Ablation:
    """The ablation with a rate more for each arm whose best measured one is at the edge.

    The same one where no arm wants more, where all that do had MOST_BEYOND, or where a run is
    missing. The best: as in tuning, but over the measured seeds.
    """
    runs = measured_runs(ablation, identity) if ablation.tune_neighbours else []
    if not runs or len(store.known(runs)) < len(runs):
        return ablation
    beyond = dict(ablation.beyond)
    for variant in ablation.variants:
        below, above = beyond.get(variant, (0, 0))
        if below + above == MOST_BEYOND:
            continue
        at_rate: dict[float, list[Run]] = {}
        for run in runs:
            if run.variant == variant:
                at_rate.setdefault(run.config.train.lr, []).append(run)
        rates = sorted(at_rate)
        best = choose(ablation, rates, [run for rate in rates for run in at_rate[rate]], store)
        if best in (rates[0], rates[-1]):
            lower = best == rates[0]
            beyond[variant] = (below + lower, above + (not lower))
    return replace(ablation, beyond=beyond)


def choose(ablation: Ablation, grid: list[float], runs: list[Run], store: RunStore) -> float:
    """The value whose runs have the best mean of the ablation's first metric.

    A run that never got there counts by its training error, after all that did.
    """
    scores: dict[float, list[tuple[float, float]]] = {value: [] for value in grid}
    per_value = len(runs) // len(grid)
    records = store.known(runs)
    for index, run in enumerate(runs):
        done = records.get(run) or record.read(store.record_path(run))  # or says what is wrong
        reading = metric_values.read(ablation.metrics[0], done)
        value = math.inf if reading.censored or math.isnan(reading.value) else reading.value
        trained = train_errors(done)[-1]
        scores[grid[index // per_value]].append((value, math.inf if trained is None else trained))
    means = {
        value: tuple(statistics.fmean(column) for column in zip(*rows, strict=True))
        for value, rows in scores.items()
    }
    return min(means, key=lambda value: means[value])


def extended(arm: Config, key: str, grid: list[float], best: float) -> list[float]:
    """The grid with values beyond its best end, of those that the key may have."""

    def allowed(value: float) -> bool:
        try:
            override(arm, {key: value}, "tune")
        except BadInput:
            return False
        return True

    return sorted({*grid, *filter(allowed, extend(grid, best))})


def extend(grid: list[float], best: float) -> list[float]:
    """The grid with one more value beyond its best end, at the ratio of the values there."""
    if len(grid) < 2:
        return [grid[0] / 3, grid[0], grid[0] * 3]
    if best == grid[0]:
        return [round_to_digits(grid[0] ** 2 / grid[1]), *grid]
    return [*grid, round_to_digits(grid[-1] ** 2 / grid[-2])]


def refined(grid: list[float], best: float) -> list[float]:
    """The grid with the geometric means beside its best value, where those are not sqrt(2) near."""
    place = grid.index(best)
    beside = [*grid[max(0, place - 1) : place], *grid[place + 1 : place + 2]]
    far = [value for value in beside if max(value / best, best / value) > NEAR_ENOUGH]
    return sorted({*grid, *(three_digits(math.sqrt(value * best)) for value in far)})


def round_to_digits(value: float) -> float:
    """Two significant digits: a learning rate that one can write down."""
    return float(f"{value:.2g}")
