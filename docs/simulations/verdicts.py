"""How often the comparison errs, by simulation. Writes rates.md and words.md beside itself.

    python docs/simulations/verdicts.py    # the long form: some minutes on one core

The functions are those of alexbench.analysis. tests/analysis/test_simulations.py runs a short form.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from alexbench.analysis import rates, stats, verdict
from alexbench.analysis.verdict import Claimed, Measured
from alexbench.runs.run import MOST_BEYOND

SD = 0.4  # points: one run at one rate
CURVE = 1.0  # points by which a rate a factor 2 from the best is worse
TUNING_SEEDS = 2
CLAIM_SE = 0.22  # of the claim: that of LRN's
WORDS = ("negligible", "reproduced", "smaller", "larger", "opposite", "excluded", "inconclusive")
FINDINGS = ("reproduced", "smaller", "larger", "opposite")


def symmetric(octaves: np.ndarray) -> np.ndarray:
    """Points above the best error, by the distance of the rate from the best in factors of 2."""
    return CURVE * octaves**2


def skewed(octaves: np.ndarray) -> np.ndarray:
    """As curved at the best rate, and steeper above it than below: 1.5 and 0.7 points at 2, 1/2."""
    k = 1.1
    return 2 * CURVE / k**2 * (np.exp(k * octaves) - k * octaves - 1)


def independent(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Noise of shape (arms, rates, seeds): each run its own."""
    return rng.normal(0, SD, shape)


def shared(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """A seed's runs move together: over both arms, over the rates of an arm, and each alone."""
    arms, _, seeds = shape
    both = rng.normal(0, SD * 0.4**0.5, (1, 1, seeds))
    arm = rng.normal(0, SD * 0.3**0.5, (arms, 1, seeds))
    return both + arm + rng.normal(0, SD * 0.3**0.5, shape)


class Design(NamedTuple):
    """How two arms are measured, and what their curves and their noise look like."""

    curve: Callable[[np.ndarray], np.ndarray] = symmetric
    noise: Callable[..., np.ndarray] = independent
    num_seeds: int = 6
    neighbours: int = 1  # on either side of the tuned rate; 0: at one rate
    beyond: int = 0  # more rates an arm, while its best measured one is at the edge
    spacing: float = 0.5  # between rates, in factors of 2


def two_arms(rng: np.random.Generator, design: Design) -> list[dict[float, list[float]]]:
    """Two arms equally good at their own best rates, as the suite measures them.

    Each arm's best rate lies anywhere between two rates of the grid. Tuning seeds choose the
    centre among seven rates; the measured seeds train there, at its neighbours, and beyond them
    where the best measured rate is at the edge.
    """
    near, more = design.neighbours, design.beyond
    grid = np.arange(-3 - more, 4 + more) * design.spacing
    optimum = rng.uniform(-0.5, 0.5, (2, 1)) * design.spacing
    curves = design.curve(grid - optimum)
    tried = slice(more, more + 7)
    tuning = curves[:, tried] + design.noise(rng, 2, 7, TUNING_SEEDS).mean(2)
    centre = np.clip(tuning.argmin(1), near, 6 - near) + more
    errors = 20 + curves[:, :, None] + design.noise(rng, 2, len(grid), design.num_seeds)
    arms = []
    for arm, middle in enumerate(centre):
        low, high = middle - near, middle + near
        for _ in range(more):
            best = low + errors[arm, low : high + 1].mean(1).argmin()
            low, high = low - (best == low), high + (best == high)
        arms.append({2 ** grid[i]: errors[arm, i].tolist() for i in range(low, high + 1)})
    return arms


def significant(rng: np.random.Generator, design: Design, times: int) -> tuple[float, float]:
    """The share of comparisons of equal arms with p <= 0.05, and the mean half-width in points."""
    found, widths = 0, 0.0
    for _ in range(times):
        result = rates.compare(*two_arms(rng, design))
        found += result.p_value <= stats.ALPHA
        widths += result.interval.high - result.interval.estimate
    return found / times, widths / times


def word_shares(
    rng: np.random.Generator, effect: float, sd: float, num_seeds: int, times: int
) -> dict[str, float]:
    """The share of each word for a claim of 1 with its standard error, and a true ``effect``."""
    claimed = Claimed(1.0, CLAIM_SE)
    draws = rng.normal(effect, sd, (times, num_seeds)).tolist()
    said = Counter(
        verdict.judge(Measured(stats.t_interval(row), num_seeds, stats.t_test(row)), claimed).word
        for row in draws
    )
    return {word: said[word] / times for word in WORDS}


def table_with_findings(
    rng: np.random.Generator, num_claims: int, num_seeds: int, times: int
) -> float:
    """The share of tables without effects that say reproduced, smaller, larger or opposite."""
    tables = 0
    for _ in range(times):
        draws = rng.normal(0, rng.uniform(0.3, 1.5, (num_claims, 1)), (num_claims, num_seeds))
        rows = draws.tolist()
        adjusted = stats.holm([stats.t_test(row) for row in rows])
        tables += any(
            verdict.judge(
                Measured(stats.t_interval(row), num_seeds, p),
                Claimed(1.0, CLAIM_SE, bound=i % 4 == 2, sign_only=i % 4 == 3),
            ).word
            in FINDINGS
            for i, (row, p) in enumerate(zip(rows, adjusted, strict=True))
        )
    return tables / times


def rates_page(times: int) -> str:
    """The tables of rates.md."""
    rng = np.random.default_rng(1)

    def row(design: Design) -> tuple[str, str, int, str, str]:
        share, width = significant(rng, design, times)
        names = design.curve.__name__, design.noise.__name__
        return *names, design.num_seeds, f"{100 * share:.1f}%", f"{width:.2f}"

    shapes = [(curve, noise) for curve in (symmetric, skewed) for noise in (independent, shared)]
    own = [
        row(Design(*shape, seeds, beyond=MOST_BEYOND)) for shape in shapes for seeds in (4, 6, 12)
    ]
    coarse = [row(Design(*shape, spacing=1.0)) for shape in shapes]
    one = [row(Design(*shape, neighbours=0, spacing=1.0)) for shape in shapes]
    head = ("curve", "noise", "seeds", "significant", "half-width (points)")
    return f"""# Two arms, equally good at their own best rates

Written by verdicts.py; {times} comparisons a row, judged by `rates.compare`. 5% are meant.
{TUNING_SEEDS} tuning seeds choose a rate for each arm; the measured seeds train there and at its
neighbours. In the first table an arm whose best measured rate is at the edge gets one rate more,
at most twice. A run's standard deviation is {SD} points; a rate a factor 2 from the best costs
{CURVE} point. Skewed: beyond the best rate the error rises faster than below it.
Shared noise: 40% of the variance is common to both arms of a seed, 30% to the rates of an arm.

## Neighbours sqrt(2) apart: what the suite does

{tabulate(own, head, tablefmt="pipe")}

## Neighbours a factor 2 apart: not safe

{tabulate(coarse, head, tablefmt="pipe")}

## At one rate, chosen on a grid of factor 2: what the suite did

{tabulate(one, head, tablefmt="pipe")}
"""


def words_page(times: int) -> str:
    """The tables of words.md."""
    rng = np.random.default_rng(2)
    rows = []
    most = {0.25: 0.0, 0.5: 0.0}  # "reproduced", by the true effect
    for num_seeds in (4, 6, 12):
        for sd in (0.5, 1.0):
            for effect in (0.0, 0.25, 0.5, 1.0, 2.0):
                shares = word_shares(rng, effect, sd, num_seeds, times)
                if effect in most:
                    most[effect] = max(most[effect], shares["reproduced"])
                rows.append(
                    (num_seeds, sd, effect, *(f"{100 * shares[word]:.1f}" for word in WORDS))
                )
    tables = [
        (claims, seeds, f"{100 * table_with_findings(rng, claims, seeds, times // 4):.1f}%")
        for claims in (1, 4, 12)
        for seeds in (4, 6, 12)
    ]
    percent = {effect: math.ceil(100 * share) for effect, share in most.items()}
    return f"""# What the words mean

Written by verdicts.py; {times} comparisons a row. Differences are normal, in units of the claim;
the claim's standard error is {CLAIM_SE} of it. `sd`: standard deviation of a pair's difference.

A quarter of the claim reads "reproduced" in at most {percent[0.25]}%, half of it in at most
{percent[0.5]}%: the word says that the sizes are compatible, and the share how large it is.

## Percent of each word, by the true effect / claim

{tabulate(rows, ("seeds", "sd", "effect", *WORDS), tablefmt="pipe", disable_numparse=True)}

## Tables without any effect that say reproduced, smaller, larger or opposite anywhere

Every fourth claim is a bound, every fourth has no size; Holm over the table. At most 5% are meant.

{tabulate(tables, ("claims", "seeds", "tables"), tablefmt="pipe")}
"""


def main(folder: Path, times: int) -> None:
    """Write both pages into ``folder``."""
    (folder / "rates.md").write_text(rates_page(times), encoding="utf-8")
    (folder / "words.md").write_text(words_page(2 * times), encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).parent, int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
