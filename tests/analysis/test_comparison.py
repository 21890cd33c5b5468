"""From records made by hand to the comparison: each verdict, and every kind of gap."""

import dataclasses
import math

import numpy as np
import pytest

from alexbench.analysis.comparison import Answer, ComparisonRow, comparison, judge
from alexbench.analysis.stats import Interval
from alexbench.analysis.summary import summary
from alexbench.analysis.verdict import Claimed, Measured
from alexbench.report import text
from alexbench.runs.record import RunRecord
from tests.records import (
    CIFAR10,
    GLYPHS,
    LRN,
    MACHINE,
    NOISE,
    Question,
    arms,
    make,
    use,
    with_delta,
)

ISSUE_COLUMNS = (
    "ablation profile data metric baseline variant num_pairs baseline_mean variant_mean delta "
    "ci_low ci_high p_value paper_delta notebook_delta verdict same_data"
).split()


def only_row(records: list[RunRecord], question: Question = LRN) -> ComparisonRow:
    (row,) = comparison(question, "laptop", records)
    return row


# Verdicts.


@pytest.mark.parametrize(
    ("delta", "noise", "verdict"),
    [
        (-1.4, 1.0, "reproduced"),
        (-0.7, 1.0, "reproduced"),
        (-3.0, 1.0, "larger"),
        (+0.8, 1.0, "opposite"),
        (+0.1, 1.0, "negligible"),
        (+0.1, 4.0, "excluded"),
        (+0.1, 9.0, "inconclusive"),
    ],
)
def test_a_known_delta_gives_its_verdict(delta: float, noise: float, verdict: str) -> None:
    """The claim is -0.058 in log odds (42.1 to 40.7%) with a standard error of 0.0128.

    Near 30% a point is 0.048, so -0.7 points are 0.7 x 0.048 / 0.058 = 0.57 of the claim and 1.9 of
    its standard errors short of it.
    """
    row = only_row(with_delta(delta, noise))
    assert row.delta == pytest.approx(delta)
    assert row.verdict == verdict


def test_one_seed_is_inconclusive_and_has_no_interval() -> None:
    row = only_row(arms([30.0], [20.0]))
    assert row.verdict == "inconclusive"
    assert math.isnan(row.ci_low)
    assert math.isnan(row.seeds_to_settle)


def test_the_row_stands_beside_the_paper_and_the_notebook() -> None:
    row = only_row(with_delta(-1.4))
    assert (row.paper_delta, row.notebook_delta) == (-1.4, pytest.approx(-1.37))
    assert row.paper_se == pytest.approx(0.311, abs=1e-3)
    assert row.same_data == "no"
    assert row.claim == "lrn"


def test_on_the_claims_own_data_the_row_says_so() -> None:
    question = Question(claims={"lrn_cifar": (use("both"),)})
    # 13 to 11% is -0.190 in log odds; near 30% -4 points are -0.197
    records = [dataclasses.replace(r, data=CIFAR10, correct="") for r in with_delta(-4.0)]
    row = only_row(records, question)
    assert row.same_data == "yes"
    assert row.verdict == "reproduced"


def test_half_of_a_claim_that_is_sure_of_itself_is_smaller() -> None:
    """13 to 11% is -0.190 with a standard error of 0.044; -2 points near 30% are -0.097."""
    row = only_row(with_delta(-2.0), Question(claims={"lrn_cifar": (use("both"),)}))
    assert row.share == pytest.approx(0.097 / 0.190, abs=0.01)
    assert row.verdict == "smaller"


def test_some_of_the_claims_own_images_are_not_taken_for_all_of_them() -> None:
    question = Question(claims={"lrn_cifar": (use("both"),)})
    some = CIFAR10 | {"train_images": 10_000}
    records = [dataclasses.replace(r, data=some, correct="") for r in with_delta(-4.0)]
    row = only_row(records, question)
    assert row.same_data == "no"
    assert text.verdict(row) == "reproduced (on cifar10, not the same images, at one rate)"
    assert text.verdict(only_row(with_delta(-1.4))) == "reproduced (on glyphs, at one rate)"


def test_a_table_without_any_true_effect_seldom_says_that_there_is_one() -> None:
    # Ten claims on independent noise: without Holm four tables in ten would find something.
    rng = np.random.default_rng(1)
    found = {"with Holm": 0, "without": 0}
    tables = 250
    row = only_row(with_delta(-1.4))
    for _ in range(tables):
        answers = []
        for number in range(10):
            low, high, p = interval_and_p(rng.normal(0, 1, 4).tolist())
            answers.append(
                Answer(
                    dataclasses.replace(row, variant=str(number), p_value=p),
                    Measured(Interval((low + high) / 2, low, high), 4),
                    Claimed(-1.0),
                )
            )
        found["without"] += any(
            answer.measured.interval.low > 0 or answer.measured.interval.high < 0
            for answer in answers
        )
        found["with Holm"] += any(row.sign != "open" for row in judge(answers))
    assert found["without"] / tables > 0.25
    assert found["with Holm"] / tables <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / tables)


def interval_and_p(differences: list[float]) -> tuple[float, float, float]:
    """Student's interval and p at n = 4, t(0.975; 3) = 3.182446, p from the closed form."""
    mean, sd = np.mean(differences), np.std(differences, ddof=1)
    t = float(abs(mean) / (sd / 2))
    tail = 0.5 - (math.atan(t / math.sqrt(3)) + t * math.sqrt(3) / (t * t + 3)) / math.pi
    half = 3.182446 * sd / 2
    return mean - half, mean + half, 2 * tail


def test_rows_that_no_claim_is_about_do_not_make_a_claim_harder() -> None:
    many = Question(
        metrics=("test_error", "top5_error", "train_error"),
        variants={"none": {}, "both": {}, "conv1": {}, "conv2": {}},
        claims=LRN.claims,
    )
    alone, among = only_row(with_delta(-1.4)), comparison(many, "laptop", with_delta(-1.4))
    assert among[0].p_holm == alone.p_holm == alone.p_value


# Which rows there are.


def test_the_columns_begin_with_those_that_were_promised() -> None:
    names = [field.name for field in dataclasses.fields(ComparisonRow)]
    assert names[: len(ISSUE_COLUMNS)] == ISSUE_COLUMNS


def test_there_is_a_row_a_claim_and_one_for_every_other_metric_and_variant() -> None:
    question = Question(
        metrics=("test_error", "train_error"),
        variants={"none": {}, "conv1": {}, "both": {}},
        claims={"lrn": (use("both"),), "lrn_cifar": (use("both", "conv1"),)},
    )
    rows = comparison(question, "laptop", with_delta(-1.4))
    assert [[row.claim, row.metric, row.variant, row.baseline] for row in rows] == [
        ["lrn", "test_error", "both", "none"],
        ["lrn", "top5_error", "both", "none"],
        ["lrn_cifar", "test_error", "both", "conv1"],
        ["", "test_error", "conv1", "none"],
        ["", "train_error", "conv1", "none"],
        ["", "train_error", "both", "none"],
    ]


def test_a_row_without_a_claim_has_no_verdict() -> None:
    row = only_row(with_delta(-1.4), Question())
    assert (row.claim, row.verdict, row.same_data) == ("", "", "")
    assert math.isnan(row.paper_delta)
    assert row.num_pairs == 6


def test_an_arm_without_records_is_an_empty_row_not_an_error() -> None:
    row = only_row([make("none", seed) for seed in range(3)])
    assert row.num_pairs == 0
    assert row.dropped_seeds == 3
    assert row.verdict == "inconclusive"


def test_tuning_runs_are_not_measured() -> None:
    tuning = [make("both", 9, (80.0, 1.0), purpose="tune"), make("none", 9, purpose="tune")]
    assert only_row([*with_delta(-1.4), *tuning]).num_pairs == 6


# Pairs.


def test_a_seed_that_one_arm_lacks_is_dropped_and_counted() -> None:
    records = [r for r in with_delta(-1.4) if (r.variant, r.seed) not in {("both", 2), ("none", 5)}]
    row = only_row(records)
    assert (row.num_pairs, row.dropped_seeds) == (4, 2)


def test_a_seed_that_one_arm_was_never_to_have_is_not_dropped() -> None:
    records = [r for r in with_delta(-1.4) if r.variant == "none" or r.seed < 2]
    row = only_row(records, Question(limits={"both": 2}))
    assert (row.num_pairs, row.dropped_seeds) == (2, 0)


def test_pairs_are_matched_by_seed_not_by_order() -> None:
    shuffled = sorted(with_delta(-1.4), key=lambda r: (r.variant, -r.seed))
    assert only_row(shuffled).ci_low == only_row(with_delta(-1.4)).ci_low


def test_a_diverged_run_counts_with_the_error_of_guessing() -> None:
    records = [
        *arms([30.0, 30.0], [29.0, 29.0]),
        make("none", 2),
        make("both", 2, (), status="diverged"),
    ]
    row = only_row(records)
    assert (row.num_pairs, row.variant_diverged, row.baseline_diverged) == (3, 1, 0)
    guessing = 100 * 25 / 26
    assert row.variant_mean == pytest.approx((29 + 29 + guessing) / 3)


def test_timings_are_compared_on_one_machine_only() -> None:
    question = Question(metrics=("epoch_seconds",))
    elsewhere = MACHINE | {"processor": "another"}
    records = [make(v, s, seconds=t) for v, t in (("none", 2.0), ("both", 4.0)) for s in (0, 1)]
    records += [make("none", 2), make("both", 2, environment=elsewhere)]
    row = only_row(records, question)
    assert (row.num_pairs, row.dropped_seeds) == (2, 1)
    assert row.delta == pytest.approx(2)
    assert only_row(records).num_pairs == 3  # errors may come from anywhere


def test_ratios_are_geometric_means_of_pairs() -> None:
    records = [make("none", 0, seconds=1.0), make("none", 1, seconds=4.0)]
    records += [make("both", 0, seconds=3.0), make("both", 1, seconds=4.0)]
    row = only_row(records, Question(metrics=("epoch_seconds",)))
    assert row.delta == pytest.approx(math.sqrt(3))
    assert row.baseline_mean == pytest.approx(2)
    assert row.variant_mean / row.baseline_mean == pytest.approx(row.delta)


def test_equal_differences_are_no_certainty() -> None:
    """Six pairs that differ by one point exactly: the floor is the spread that images leave.

    Of 500 images the baseline alone gets 5 right, the variant alone none. With one image added
    McNemar's variance is 5 + 1 - 5^2 / 500 = 5.95, its root 100 / 500 x 2.439 = 0.4879 points.
    """
    row = only_row(arms([30.0] * 6, [31.0] * 6))
    assert row.ci_high - row.delta == pytest.approx(2.570582 * 0.4879 / math.sqrt(6), rel=1e-3)


def test_a_test_set_of_one_image_is_compared() -> None:
    one = GLYPHS | {"test_images": 1}
    errors = {"none": [100.0, 0.0, 100.0], "both": [0.0, 0.0, 100.0]}
    records = [
        make(name, seed, (100.0, error), data=one)
        for name, each in errors.items()
        for seed, error in enumerate(each)
    ]
    row = only_row(records)
    assert row.delta == pytest.approx(-100 / 3)
    assert row.ci_low < -100
    assert row.verdict == "inconclusive"


def test_two_pairs_are_never_a_firm_verdict() -> None:
    row = only_row(arms([30.0, 31.0], [28.6, 29.6]))
    assert row.delta == pytest.approx(-1.4)
    assert row.verdict == "inconclusive"
    assert "Fewer than 3 pairs" in text.sentence(row)


def test_the_control_stands_below_its_claim_with_a_verdict_of_its_own() -> None:
    question = Question(
        variants={"none": {}, "both": {}, "gain_only": {}},
        claims={"lrn": (use("both", metric="test_error", control="gain_only"),)},
    )
    records = with_delta(-1.4)
    records += [
        dataclasses.replace(each, variant="gain_only")
        for each in with_delta(+0.1)
        if each.variant == "both"
    ]
    rows = comparison(question, "laptop", records)
    assert [(row.variant, row.role, row.verdict) for row in rows[:2]] == [
        ("both", "claim", "reproduced"),
        ("gain_only", "control", "negligible"),
    ]
    assert text.claim_of(rows[1]) == "lrn, control"


def at_rates(variant: str, errors: dict[float, float]) -> list[RunRecord]:
    """Six seeds of an arm at each rate, the error moved by the noise of the seed."""
    return [
        make(variant, seed, (80.0, error + noise), lr=rate)
        for rate, error in errors.items()
        for seed, noise in enumerate(NOISE)
    ]


def test_each_arm_is_compared_at_its_own_best_rate() -> None:
    """Parabolas through 31, 30, 31 (minimum 30 in the middle) and 30, 29, 32.

    The second, in steps of the log rate from the middle: a = (30 + 32) / 2 - 29 = 2, b = 1, so its
    minimum is 29 - 1 / (4 x 2) = 28.875, at -1/4 of a step.
    """
    rates = (0.01, 0.01 * 2**0.5, 0.02)
    records = at_rates("none", dict(zip(rates, (31.0, 30.0, 31.0), strict=True)))
    records += at_rates("both", dict(zip(rates, (30.0, 29.0, 32.0), strict=True)))
    row = only_row(records)
    assert (row.rates, row.num_pairs) == (3, 6)
    assert row.baseline_mean == pytest.approx(30.0)
    assert row.variant_mean == pytest.approx(28.875)
    assert row.delta == pytest.approx(-1.125)
    assert (row.baseline_lr, row.variant_lr) == (rates[1], rates[1])  # the measured ones nearest
    assert "at one rate" not in text.verdict(row)


def test_a_rate_at_which_a_net_stays_at_chance_has_no_part_in_the_parabola() -> None:
    """Through 10, 9, 8 and 53 (of nets at 8 and at 97, chance is 96.15) it would go below 0."""
    rates = (0.01, 0.0141, 0.02, 0.0283)
    records = at_rates("none", dict.fromkeys(rates, 20.0))
    records += at_rates("both", dict(zip(rates, (10.0, 9.0, 8.0), strict=False)))
    records += [
        make("both", seed, (80.0, error + NOISE[seed]), lr=rates[3])
        for seed, error in enumerate((8.0, 97.0, 8.0, 97.0, 8.0, 97.0))
    ]
    row = only_row(records)
    assert row.variant_mean == pytest.approx(8.0)
    assert (row.variant_lr, row.variant_did_not_learn) == (0.02, 0)
    alone = [
        run for run in records if run.variant == "none" or run.config["train"]["lr"] == rates[3]
    ]
    assert only_row(alone).variant_did_not_learn == 3  # where no rate is better, it stands


def test_new_images_widen_the_interval_of_new_seeds() -> None:
    row = only_row(with_delta(-1.4))
    assert row.ci_low_new_images < row.ci_low
    assert row.ci_high_new_images > row.ci_high


def test_nets_at_the_error_of_guessing_did_not_learn() -> None:
    """Of 26 classes guessing errs on 96.15%; of 500 images two standard errors are 1.72 points."""
    records = arms([30.0, 31.0, 94.6], [96.0, 94.2, 30.0])
    row = only_row(records)
    assert (row.baseline_did_not_learn, row.variant_did_not_learn) == (1, 1)
    assert "2 did not learn" in text.pairs(row)


def test_what_is_counted_is_not_tested_and_no_member_of_a_family() -> None:
    counted = dataclasses.replace(LRN, claims={}, metrics=("test_error", "parameters"))
    records = arms([30.0, 31.0, 32.0], [29.0, 29.5, 29.0])
    test_error, counted_row = comparison(counted, "laptop", records)
    assert (counted_row.metric, counted_row.delta) == ("parameters", 1)
    assert all(map(math.isnan, (counted_row.p_value, counted_row.p_holm)))
    assert test_error.p_holm == test_error.p_value


# Times to a target.

RELU = Question(
    name="relu",
    baseline="tanh",
    variants={"tanh": {}, "relu": {}},
    claims={"relu": (use("relu"),)},
    metrics=("epochs_to_target",),
)


def falling(variant: str, seed: int, epochs_to_25: float, budget: int = 20) -> RunRecord:
    """A run that falls evenly from 85% to 25% in so many epochs, and no further than 15%."""
    errors = [max(15.0, 85 - 60 * epoch / epochs_to_25) for epoch in range(1, budget + 1)]
    return make(variant, seed, errors, target=25.0)


def test_six_times_sooner_is_reproduced() -> None:
    records = [falling("tanh", s, t) for s, t in enumerate((12.0, 12.6, 11.4, 12.3))]
    records += [falling("relu", s, t) for s, t in enumerate((2.0, 2.1, 1.9, 2.1))]
    row = only_row(records, RELU)
    assert row.delta == pytest.approx(1 / 6, abs=0.01)
    assert row.verdict == "reproduced"
    assert row.paper_delta == pytest.approx(1 / 6, abs=1e-6)
    assert text.claimed(row, "paper") == "about x0.167"


def test_a_baseline_that_never_gets_there_is_censored_and_gives_a_bound() -> None:
    records = [falling("tanh", s, t) for s, t in enumerate((12.0, 30.0, 40.0, 14.0))]
    records += [falling("relu", s, t) for s, t in enumerate((2.0, 2.1, 1.9, 2.1))]
    row = only_row(records, RELU)
    assert (row.num_pairs, row.baseline_censored, row.variant_censored) == (4, 2, 0)
    assert row.ci_low == 0
    assert row.ci_high < 1
    assert row.verdict == "reproduced"  # a bound: any ratio below it is possible, 1/6 too
    assert row.share_high == math.inf
    assert text.interval(row).startswith("at most x")


def test_two_arms_that_never_get_there_are_inconclusive() -> None:
    records = [falling(v, s, 50.0) for v in ("tanh", "relu") for s in range(4)]
    row = only_row(records, RELU)
    assert row.verdict == "inconclusive"
    assert (row.ci_low, row.ci_high) == (0, math.inf)
    assert math.isnan(row.seeds_to_settle)
    assert "more epochs" in text.sentence(row)


# The summary.


def test_the_summary_has_a_row_a_variant_and_metric() -> None:
    rows = summary(LRN, "laptop", arms([30.0, 31.0, 32.5, 33.0], [29.0, 29.0, 29.0]))
    assert [(row.variant, row.metric, row.num_seeds, row.mean, row.median) for row in rows] == [
        ("none", "test_error", 4, 31.625, 31.75),
        ("both", "test_error", 3, 29.0, 29.0),
    ]
    assert rows[0].sd == pytest.approx(math.sqrt((1.625**2 + 0.625**2 + 0.875**2 + 1.375**2) / 3))
    assert rows[1].sd == 0


def test_censored_runs_have_a_median_but_no_mean() -> None:
    records = [falling("tanh", s, t) for s, t in enumerate((12.0, 50.0, 14.0))]
    row = summary(RELU, "laptop", records)[0]
    assert (row.num_seeds, row.num_censored, row.median) == (3, 1, pytest.approx(14.0))
    assert math.isnan(row.mean)
