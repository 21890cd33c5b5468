"""The short form of docs/simulations: how often rates and words err."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from alexbench.runs.run import MOST_BEYOND

PATH = Path(__file__).parents[2] / "docs" / "simulations" / "verdicts.py"


@pytest.fixture(scope="module")
def simulate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verdicts_simulation", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("curve", ["symmetric", "skewed"])
@pytest.mark.parametrize("noise", ["independent", "shared"])
@pytest.mark.parametrize("beyond", [0, MOST_BEYOND])
def test_arms_equal_at_their_own_best_rates_rarely_differ(
    simulate: ModuleType, curve: str, noise: str, beyond: int
) -> None:
    shape = getattr(simulate, curve), getattr(simulate, noise)
    design = simulate.Design(*shape, beyond=beyond)
    share, _ = simulate.significant(np.random.default_rng(1), design, 500)
    assert 0.025 <= share <= 0.08  # 4 to 8% are meant; 500 comparisons have a deviation of 1%


def test_one_rate_of_a_coarse_grid_finds_differences_that_are_not_there(
    simulate: ModuleType,
) -> None:
    """The simulation can tell a bad rule from a good one."""
    design = simulate.Design(neighbours=0, spacing=1.0)
    assert simulate.significant(np.random.default_rng(2), design, 500)[0] > 0.08


def test_a_table_without_effects_finds_one_in_at_most_5_percent(simulate: ModuleType) -> None:
    share = simulate.table_with_findings(np.random.default_rng(3), 8, 6, 400)
    assert share <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.parametrize(
    ("effect", "sd", "expected"),
    [  # statistics.md, 8, in percent
        (0.0, 0.5, {"excluded": 70, "negligible": 22, "inconclusive": 5, "opposite": 2}),
        (0.25, 0.5, {"excluded": 54, "inconclusive": 19, "negligible": 12, "reproduced": 9}),
        (0.5, 0.5, {"reproduced": 42, "inconclusive": 27, "excluded": 20, "smaller": 9}),
        (1.0, 0.5, {"reproduced": 97}),
        (2.0, 0.5, {"larger": 95, "reproduced": 5}),
        (0.25, 1.0, {"inconclusive": 63, "excluded": 28, "reproduced": 7}),
        (1.0, 1.0, {"reproduced": 49, "inconclusive": 48}),
        (2.0, 1.0, {"reproduced": 49, "larger": 48}),
    ],
)
def test_words_are_as_frequent_as_in_the_review(
    simulate: ModuleType, effect: float, sd: float, expected: dict[str, float]
) -> None:
    shares = simulate.word_shares(np.random.default_rng(4), effect, sd, 6, 1000)
    assert {word: 100 * shares[word] for word in expected} == pytest.approx(expected, abs=4)


def test_the_pages_are_written(simulate: ModuleType, tmp_path: Path) -> None:
    simulate.main(tmp_path, 4)
    for name in ("rates.md", "words.md"):
        assert (tmp_path / name).read_text().count("\n|") > 10
        committed = (PATH.parent / name).read_text()
        assert committed.split("\n")[0] == (tmp_path / name).read_text().split("\n")[0]
