"""The scorecard: every claim once, the strongest data, and a picture that is the same anywhere."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from alexbench.analysis.comparison import ComparisonRow, comparison
from alexbench.config import references
from alexbench.errors import BadInput
from alexbench.report import build, csv_files, figures, scorecard, scorecard_figure
from alexbench.report.scorecard import Line
from alexbench.report.text import MINUS
from tests.records import LRN, MACHINE, make, with_delta

RESULTS = Path(__file__).parents[2] / "results"
(ROW,) = comparison(LRN, "laptop", with_delta(-1.4))  # type: ignore[arg-type]


def table(place: str, **changes: Any) -> tuple[Path, list[ComparisonRow]]:
    """A folder with one row: results/<ablation>/<profile>."""
    ablation, profile = place.split("/")
    told = {"ablation": ablation, "profile": profile} | changes
    return Path("results") / ablation / profile, [replace(ROW, **told)]


def shown(lines: Sequence[Line]) -> list[str]:
    return [f"{line.folder.parent.name}/{line.folder.name}" for line in lines]


def test_the_strongest_data_of_a_claim_are_shown_and_the_others_are_not() -> None:
    tables = [
        table("lrn/laptop"),
        table("lrn/cifar10-short", data="cifar10"),
        table("lrn_order/cifar10-short", data="cifar10"),
    ]
    card = scorecard.scorecard(tables)
    assert shown(card.photographs) == ["lrn/cifar10-short"]  # the file that the claim names
    assert card.letters == ()
    assert shown(scorecard.scorecard(tables, "laptop").letters) == ["lrn/laptop"]


def test_the_claims_own_data_are_stronger_than_any_profile() -> None:
    tables = [table("lrn/imagenet", data="other"), table("lrn/cifar10", data="x", same_data="yes")]
    assert shown(scorecard.scorecard(tables).photographs) == ["lrn/cifar10"]


def test_each_regime_has_its_own_line_and_settings_by_hand_have_none() -> None:
    tables = [
        table("lrn/cifar10-short", data="cifar10"),
        table("lrn/laptop-authors", regime="authors"),
        table("lrn/cifar10,train.epochs=1", data="cifar10"),
    ]
    card = scorecard.scorecard(tables)
    assert shown(card.lines()) == ["lrn/cifar10-short", "lrn/laptop-authors"]


def test_a_claim_that_only_letters_were_asked_has_one_line_for_all_its_rows() -> None:
    other = replace(ROW, metric="top5_error", verdict="inconclusive")
    card = scorecard.scorecard([(Path("results/lrn/laptop"), [ROW, other])])
    (line,) = card.letters
    assert scorecard.others(line) == "and 1 more: 1 inconclusive"
    on_photographs = [replace(row, data="cifar10") for row in (ROW, other)]
    card = scorecard.scorecard([(Path("results/lrn/laptop"), on_photographs)])
    assert [line.row.metric for line in card.photographs] == ["test_error", "top5_error"]


def test_a_claim_without_a_size_stands_in_the_lower_block_and_one_without_verdict_is_named() -> (
    None
):
    nothing = {"share": math.nan, "share_low": math.nan, "share_high": math.nan}
    tables = [
        table("augmentation/laptop", claim="augmentation", **nothing),
        table("reimplementations/laptop", claim="adam", verdict="", **nothing),
    ]
    card = scorecard.scorecard(tables)
    assert [line.row.claim for line in card.without_size] == ["augmentation"]
    assert card.no_effect_stated == ("adam",)
    assert set(card.not_tested) == set(references.claim_ids()) - {"augmentation", "adam"}
    assert any("lrn" in note for note in scorecard.notes(card) if note.startswith("Not tested"))


def test_a_sign_that_the_whole_scorecard_takes_back_has_a_dagger() -> None:
    """Two rows with p 0.03: each alone holds its sign, of two neither does."""
    alone = scorecard.scorecard([table("lrn/laptop", p_value=0.03)])
    assert [line.loses_its_sign for line in alone.lines()] == [False]
    tables = [table("lrn/laptop", p_value=0.03), table("depth/laptop", claim="depth", p_value=0.03)]
    card = scorecard.scorecard(tables)
    assert [line.p_holm_here for line in card.lines()] == [0.06, 0.06]
    assert all(line.loses_its_sign for line in card.lines())
    assert "lrn (test_error), depth (test_error)" in scorecard.notes(card)[0]
    assert scorecard.readable(card.lines()).rows[0][0].endswith("†")


def test_the_tally_counts_words_runs_and_hours(tmp_path: Path) -> None:
    folder = tmp_path / "lrn" / "laptop"
    hour = {"test_errors": (50.0, 40.0), "seconds": 1799.5}  # each epoch evaluates for 0.5 s
    runs = [make("none", 0, **hour), make("none", 1, **hour), make("both", 0, **hour)]
    copied = make("both", 1, **hour, environment=MACHINE | {"trained_for": "other/laptop"})
    tuning = [make("both", 7, **hour, purpose="tune")]
    rows = list(csv_files.arm_rows(LRN, "laptop", [*runs, copied], tuning))  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    csv_files.write(rows, csv_files.ARM_COLUMNS, folder / "arms.csv")
    card = scorecard.scorecard([(folder, [ROW])])
    assert card.cost == (4, 1, 4.0)
    assert scorecard.tally(card.lines(), card.cost) == "1 reproduced; 4 runs, 4.0 core hours"


def test_a_name_shows_every_measurement_and_json_has_every_column() -> None:
    tables = [table("lrn/laptop"), table("lrn/cifar10-short", data="cifar10")]
    _, lines = scorecard.asked(tables, ["lrn"], None)
    assert shown(lines) == ["lrn/laptop", "lrn/cifar10-short"]
    _, lines = scorecard.asked(tables, ["lrn"], "laptop")
    told = json.loads(json.dumps(scorecard.as_json(lines[0]), allow_nan=False))
    assert told["delta"] == ROW.delta
    assert set(told) == {*vars(ROW), "p_holm_here"}


@pytest.mark.parametrize(
    ("names", "profile", "complaint"),
    [
        (["lnr"], None, "lnr: no claim and no ablation, did you mean 'lrn'"),
        ([], "labtop", "--profile labtop: no results, did you mean 'laptop'"),
        (["depth"], None, "depth: nothing was measured of this"),
    ],
)
def test_a_wrong_name_says_what_there_is(
    names: list[str], profile: str | None, complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint):
        scorecard.asked([table("lrn/laptop")], names, profile)


# The picture.


def test_the_verdict_stands_left_of_the_claim_and_the_claim_left_of_the_numbers() -> None:
    figure = scorecard_figure.draw(scorecard.scorecard([table("lrn/cifar10", data="cifar10")]))
    (axes,) = figure.axes
    at = {text.get_text(): text.get_position()[0] for text in axes.texts}
    words = [word for word, _ in sorted(at.items(), key=lambda each: each[1])]
    row = [word for word in words if word not in ("none", "as claimed")]
    assert row[:3] == ["reproduced", "lrn", "test error"]
    assert row[3].startswith(f"{MINUS}1.40 [")
    assert row[4:] == [f"{MINUS}1.40 ± 0.31", "6"]


def test_what_lies_beyond_the_axis_is_a_number_at_its_end() -> None:
    far = table("lrn/cifar10", data="cifar10", share=103.0, share_low=50.0, share_high=156.0)
    (axes,) = scorecard_figure.draw(scorecard.scorecard([far])).axes
    assert "103" in [text.get_text() for text in axes.texts]
    low, high = axes.get_xlim()
    (chevron,) = [each for each in axes.lines if each.get_marker() == ">"]
    assert float(chevron.get_xdata()[0]) == high
    assert (low, high) == scorecard_figure.SHARES


def test_the_scorecard_of_the_results_has_every_claim_and_gives_equal_bytes(tmp_path: Path) -> None:
    tables = build.read_tables(RESULTS)
    card = scorecard.scorecard(tables)
    named = {line.row.claim for line in card.lines()} | {*card.no_effect_stated, *card.not_tested}
    assert named == set(references.claim_ids())
    assert card.not_tested == ()
    first, second = (figures.to_svg(scorecard_figure.draw(card)) for _ in range(2))
    assert first == second
    committed = (RESULTS / "scorecard.svg").read_text(encoding="utf-8")
    drawn = figures.for_file(first)
    if matplotlib.__version_info__ >= (3, 11):
        assert drawn == committed
    ours, theirs = words_and_numbers(drawn), words_and_numbers(committed)
    assert ours[0] == theirs[0]
    assert ours[1] == pytest.approx(theirs[1], abs=0.5)  # 3.10 differs by a quarter of a pixel


def words_and_numbers(svg: str) -> tuple[list[str], list[float]]:
    """What stands between the decimals of a figure, and the decimals."""
    number = r"-?\d+\.\d+"
    return re.split(number, svg), [float(each) for each in re.findall(number, svg)]
