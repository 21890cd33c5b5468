"""Log odds and the floor of a spread, by hand and by statsmodels."""

import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import Table2x2

from alexbench.analysis import scales


def test_log_odds_by_hand() -> None:
    # 25 of 100: 25.5 / 75.5; half of them: 0
    assert scales.log_odds(25.0, 100) == pytest.approx(math.log(25.5 / 75.5))
    assert scales.log_odds(50.0, 100) == 0


def test_no_image_wrong_and_all_of_them_have_finite_and_opposite_log_odds() -> None:
    assert scales.log_odds(0.0, 100) == pytest.approx(math.log(0.5 / 100.5))
    assert scales.log_odds(100.0, 100) == pytest.approx(-scales.log_odds(0.0, 100))


def test_a_missing_error_has_no_log_odds() -> None:
    assert math.isnan(scales.log_odds(math.nan, 100))


def test_the_claimed_log_odds_are_the_log_odds_ratio_of_statsmodels() -> None:
    # statsmodels adds no halves: at these counts they move neither by more than one part in 1000.
    delta, error = scales.claimed_log_odds(19.362, 18.210, 50_000)
    table = Table2x2([[9105, 40895], [9681, 40319]])
    assert delta == pytest.approx(table.log_oddsratio, rel=1e-3)
    assert error == pytest.approx(table.log_oddsratio_se, rel=1e-4)


@pytest.mark.parametrize(
    ("arms", "images", "claimed"),
    [
        ((19.362, 18.210), 50_000, -0.076),  # lrn, top-5
        ((42.034, 40.664), 50_000, -0.056),  # lrn, top-1
        ((18.3, 17.0), 150_000, -0.089),  # ten_crop
        ((18.229, 16.999), 150_000, -0.085),  # two_gpu
        ((19.330, 18.210), 50_000, -0.073),  # links
    ],
)
def test_the_papers_deltas_in_log_odds(
    arms: tuple[float, float], images: int, claimed: float
) -> None:
    assert scales.claimed_log_odds(*arms, images)[0] == pytest.approx(claimed, abs=0.0005)


def test_the_standard_error_of_a_log_odds_is_that_of_many_binomials() -> None:
    errors = np.random.default_rng(1).binomial(2000, 0.18, 20_000) / 20
    spread = np.std([scales.log_odds(error, 2000) for error in errors])
    assert scales.log_odds_se(18.0, 2000) == pytest.approx(spread, rel=0.03)


def test_points_become_log_odds_by_the_slope() -> None:
    step = scales.log_odds(20.001, 10**9) - scales.log_odds(20.0, 10**9)
    assert scales.points_to_log_odds(0.001, 20.0) == pytest.approx(step, rel=1e-3)


def test_the_floor_of_a_spread_by_hand() -> None:
    # 10 and 5 of 1000 images, and one: variance 16 - 25 / 1000 images
    assert scales.spread_floor(10, 5, 1000) == pytest.approx(0.1 * math.sqrt(15.975))
    # Nets that never disagree: one image of 1000
    assert scales.spread_floor(0, 0, 1000) == pytest.approx(0.1)


def test_the_floor_is_the_spread_of_nets_whose_images_go_wrong_independently() -> None:
    rng = np.random.default_rng(2)
    chance = rng.beta(0.3, 1.2, 1000)  # of each image to be wrong: easy and hard ones
    wrong = rng.random((2, 2000, 1000)) < chance
    differences = 100 * (wrong[1].mean(1) - wrong[0].mean(1))
    only = (wrong[1] & ~wrong[0]).sum(1).mean(), (wrong[0] & ~wrong[1]).sum(1).mean()
    floor = scales.spread_floor(*only, 1000)
    assert floor == pytest.approx(differences.std(), rel=0.05)
