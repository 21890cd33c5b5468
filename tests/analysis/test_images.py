"""Seeds by images: by hand, by statsmodels' mixed model, by coverage, on the committed records."""

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from alexbench.analysis import images, stats
from alexbench.runs.record import read, unpack_correct

RESULTS = Path(__file__).parents[2] / "results"


def arms(difference: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Correctness of two arms whose errors (variant minus baseline) differ as given."""
    wanted = np.array(difference)
    return wanted > 0, wanted < 0


def test_two_seeds_and_two_images_by_hand() -> None:
    # Differences 1, 1 and 1, 0 (in hundreds of points): mean 3/4; seeds 1 and 1/2, images 1
    # and 1/2. Squares: seeds 2 * 2/16 = 1/4, images 1/4, all 3/4: rest 1/4. Freedoms 1, 1, 1.
    # Seeds 1/4 / 4 = 1/16; images (1/4 - 1/4) / 4 = 0. t(0.975; 1) = 12.7062.
    result = images.new_images_interval(*arms([[1, 1], [1, 0]]))
    assert result.interval.estimate == pytest.approx(75)
    assert result.seed_variance == pytest.approx(1e4 / 16)
    assert result.image_variance == pytest.approx(0, abs=1e-9)
    assert result.interval.high == pytest.approx(75 + 12.7062 * 25, rel=1e-5)


def test_images_that_agree_over_the_seeds_widen_the_interval_by_hand() -> None:
    # Rows 1, 0 twice: seeds equal; squares of images 2 * 2/4 = 1, none left: 1 / 4.
    result = images.new_images_interval(*arms([[1, 0], [1, 0]]))
    assert result.seed_variance == 0
    assert result.image_variance == pytest.approx(1e4 / 4)


def test_the_seeds_part_is_the_paired_t_interval() -> None:
    rng = np.random.default_rng(1)
    baseline, variant = rng.random((2, 5, 400)) < 0.8
    result = images.new_images_interval(baseline, variant)
    differences = (100 * (baseline.mean(1) - variant.mean(1))).tolist()
    interval = stats.t_interval(differences)
    half = stats.t_quantile(0.975, 4) * math.sqrt(result.seed_variance)
    assert half == pytest.approx(interval.high - interval.estimate)
    assert result.interval.estimate == pytest.approx(interval.estimate)
    assert result.interval.high >= interval.high - 1e-9


def test_the_variances_are_those_of_statsmodels_mixed_model() -> None:
    """REML equals the moments where seeds and images are balanced and no variance is negative."""
    rng = np.random.default_rng(4)
    seeds, num_images = 6, 12
    hard = rng.normal(0, 0.8, num_images)
    odd = rng.normal(0, 0.5, (seeds, 1))
    wanted = np.clip(np.round(hard + odd + rng.normal(0, 0.6, (seeds, num_images))), -1, 1)
    result = images.new_images_interval(*arms(wanted.tolist()))
    rows = [
        {"y": 100 * wanted[s, i], "seed": s, "image": i, "all": 1}
        for s in range(seeds)
        for i in range(num_images)
    ]
    frame = pd.DataFrame(rows)
    parts = {"seed": "0 + C(seed)", "image": "0 + C(image)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the optimizer
        model = MixedLM.from_formula("y ~ 1", frame, groups="all", re_formula="0", vc_formula=parts)
        fit = model.fit(reml=True)
    assert result.seed_variance + result.image_variance == pytest.approx(
        float(fit.bse_fe["Intercept"]) ** 2, rel=0.01
    )


def test_the_interval_for_new_images_covers_the_truth_over_both() -> None:
    """Images differ in their effect, so the paired t interval covers far less than 95%."""
    rng = np.random.default_rng(5)
    held = {"images": 0, "seeds": 0}
    for _ in range(400):
        shift = rng.choice([-0.3, 0.0, 0.3], 150)
        baseline = rng.random((5, 150)) < 0.6
        variant = rng.random((5, 150)) < 0.6 + shift
        result = images.new_images_interval(baseline, variant)
        seeds = stats.t_interval((100 * (baseline.mean(1) - variant.mean(1))).tolist())
        held["images"] += result.interval.low <= 0 <= result.interval.high
        held["seeds"] += seeds.low <= 0 <= seeds.high
    assert held["images"] / 400 >= 0.93
    assert held["seeds"] < held["images"]


def test_one_seed_or_one_image_has_no_interval() -> None:
    for matrix in ([[1, 0]], [[1], [0]]):
        result = images.new_images_interval(*arms(matrix))
        assert result.interval.estimate == 50
        assert math.isnan(result.interval.low)


def test_the_committed_records_have_the_half_widths_of_the_review() -> None:
    folder = RESULTS / "lrn" / "cifar10-short" / "runs"
    every = [read(path) for path in folder.glob("*.json")]
    records = [run for run in every if run.config["train"]["lr"] == run.tuned["train.lr"]]
    correct = [
        np.array(
            [unpack_correct(r) for r in sorted(records, key=lambda r: r.seed) if r.variant == v]
        )
        for v in ("none", "both")
    ]
    result = images.new_images_interval(*correct)
    alone = stats.t_quantile(0.975, len(correct[0]) - 1) * math.sqrt(result.seed_variance)
    assert alone == pytest.approx(0.508, abs=0.0005)
    assert result.interval.high - result.interval.estimate == pytest.approx(0.563, abs=0.0005)
