"""The table of what tuning saw, by hand."""

from dataclasses import replace

import pytest

from alexbench.report import markdown, tuning_table
from alexbench.report.text import TextTable
from tests.records import LRN, make


def tried(variant: str, lr: float, seed: int, error: float):
    return make(variant, seed, (80.0, error), lr=lr, purpose="tune")


def measured(variant: str, lr: float):
    return make(variant, 0, (80.0, 30.0), lr=lr, tuned={"train.lr": lr})


def test_variants_stand_at_every_value_beside_the_untuned_difference() -> None:
    table = tuning_table.grid(
        LRN,
        [measured("none", 0.1), measured("both", 0.2)],
        [
            tried("none", 0.1, 1000, 20.0),
            tried("none", 0.1, 1001, 22.0),
            tried("none", 0.2, 1000, 40.0),
            tried("both", 0.1, 1000, 25.0),
            tried("both", 0.1, 1001, 25.0),
            tried("both", 0.2, 1000, 18.0),
        ],
    )
    assert table is not None
    assert table.columns == [
        "train.lr",
        "0.1",
        "0.2",
        "untuned: minus none at 0.1",
    ]
    assert table.rows == [
        ["none", "21.00% *", "40.00%", "+0.00"],
        ["both", "25.00%", "18.00% *", "+4.00"],
    ]


def test_a_value_that_only_one_arm_tried_has_no_difference() -> None:
    table = tuning_table.grid(
        LRN,
        [measured("none", 0.1), measured("both", 0.2)],
        [tried("none", 0.1, 1000, 20.0), tried("both", 0.2, 1000, 18.0)],
    )
    assert table is not None
    assert table.rows == [
        ["none", "20.00% *", "-", "+0.00"],
        ["both", "-", "18.00% *", "-"],
    ]


def test_the_note_counts_the_tuning_runs_that_are_there() -> None:
    once = [tried("none", lr, 1000, 20.0) for lr in (0.1, 0.2)]
    assert "(1 for each value)" in markdown.tuning_note(LRN, once)
    twice = [*once, tried("none", 0.2, 1001, 21.0)]
    assert "(1 to 2 for each value)" in markdown.tuning_note(LRN, twice)


def test_nothing_tuned_no_table() -> None:
    assert tuning_table.grid(LRN, [make("none"), make("both")], []) is None


def test_a_tuning_run_of_other_settings_has_no_say() -> None:
    complaint = tuning_table.stray([measured("none", 0.1), measured("both", 0.2)])
    run = tried("none", 0.2, 1000, 40.0)
    assert complaint(run) is None  # another rate is what tuning is about
    longer = replace(run, config=run.config | {"train": run.config["train"] | {"epochs": 77}})
    assert complaint(longer) == (
        "was trained with other settings than the runs of 'none'; move it away"
    )
    assert complaint(measured("none", 0.1)) == "is no tuning run, its place is the folder 'runs'"


@pytest.mark.parametrize(
    ("runs", "line"),
    [
        ([measured("none", 0.1), measured("both", 0.2)], "Tuned settings were chosen"),
        ([make("none"), make("both")], "Not tuned: the settings were given."),
    ],
)
def test_the_records_say_whether_they_were_tuned(runs, line) -> None:
    assert markdown.tuning_line(LRN, runs).startswith(line)


def test_a_table_with_more_values_than_arms_is_turned_in_markdown() -> None:
    wide = TextTable(["train.lr", "0.1", "0.2", "0.4"], [["none", "a", "b", "c"]])
    turned = markdown.narrow(wide)
    assert turned.columns == ["train.lr", "none"]
    assert turned.rows == [["0.1", "a"], ["0.2", "b"], ["0.4", "c"]]
    assert markdown.narrow(turned) == turned
