"""The CSV files of a folder: what pandas reads without knowing alexbench."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alexbench.report import build, csv_files
from alexbench.runs import record
from tests.records import LRN, make, with_delta, write_records

LABELLED = replace(
    LRN, labels={"both": "LRN"}, about={"both": "after conv1 and conv2"}, finding="It helps."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_records(with_delta(-1.4), tmp_path_factory.mktemp("laptop"))
    tuning = make("both", 7, (80.0, 31.0), lr=0.02, purpose="tune")
    record.write(tuning, folder / "tuning" / "both-7.json")
    build.write(LABELLED, "laptop", folder)  # type: ignore[arg-type]
    return folder


def test_runs_have_a_row_a_run_and_metric(folder: Path) -> None:
    runs = pd.read_csv(folder / "runs.csv")
    assert len(runs) == 13
    measured = runs[runs.purpose == "measure"]
    means = measured.groupby("label").value.mean()
    assert means["LRN"] - means["none"] == pytest.approx(-1.4)
    assert set(runs[runs.purpose == "tune"]["train.lr"]) == {0.02}


def test_the_history_has_a_row_a_run_and_epoch(folder: Path) -> None:
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 26
    curve = history[history.purpose == "measure"].pivot_table("test_error", "epoch", "variant")
    assert curve["none"][1] == 80
    assert curve["none"][2] == 30


def test_arms_are_told_with_their_rates_seeds_and_cost(folder: Path) -> None:
    arms = pd.read_csv(folder / "arms.csv").set_index("variant")
    assert arms.about["both"] == "after conv1 and conv2"
    assert arms.trained.to_dict() == {"none": 6, "both": 6}
    assert arms.tuning_runs.to_dict() == {"none": 0, "both": 1}
    assert arms.is_baseline.to_dict() == {"none": 1, "both": 0}


def test_the_comparison_has_labels_finding_and_the_unit_of_the_delta(folder: Path) -> None:
    (row,) = pd.read_csv(folder / "comparison.csv").to_dict("records")
    assert row["variant_label"] == "LRN"
    assert row["finding"] == "It helps."
    assert row["delta_unit"] == "points"


def test_labels_and_explanations_reach_every_form(folder: Path) -> None:
    for name in ("report.md", "report.tex", "report.html"):
        said = (folder / name).read_text()
        assert "lrn: LRN vs none, test error" in said, name
        assert "after conv1 and conv2" in said, name
        assert "modern" in said, name  # the regime


def test_cells_have_six_digits_and_nothing_for_what_is_missing() -> None:
    cells = [csv_files.cell(each) for each in (1 / 3, 12345678.9, float("nan"), None, 7, "a")]
    assert cells == ["0.333333", "12345679", "", "", "7", "a"]


def test_the_share_of_evaluation_is_of_the_time_of_all_runs() -> None:
    quick, slow = make(seconds=0.5), make(seconds=2.0, test_errors=(60.0,))
    # 3 epochs of 0.5 s with 0.5 s of evaluation, and one of 2 s with 0.5 s
    assert csv_files.evaluation_percent([quick, slow]) == pytest.approx(100 * 2 / 5.5)
    assert csv_files.evaluation_percent([]) == 0
