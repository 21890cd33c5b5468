"""What a terminal shows: two lines a row where it is narrow, and the result in one sentence."""

from dataclasses import replace

import pytest

from alexbench.analysis.comparison import comparison
from alexbench.report import terminal, text
from tests.records import LRN, Question, with_delta

(ROW,) = comparison(LRN, "laptop", with_delta(-1.4))  # type: ignore[arg-type]
OTHER = replace(ROW, role="control", verdict="inconclusive")
GREEN, END = "\x1b[32m\x1b[1m", "\x1b[0m"


def plain(said: str) -> str:
    return said.replace(GREEN, "").replace("\x1b[33m\x1b[1m", "").replace(END, "")


def test_a_wide_terminal_has_a_line_a_row_with_the_verdict_first() -> None:
    head, _, row = terminal.table(text.headline([ROW]), 200).splitlines()
    assert head.split("  ")[0] == "verdict"
    assert row.startswith(f"{GREEN}reproduced{END}, at one rate")


@pytest.mark.parametrize("columns", [80, 100, 149])
def test_a_narrow_terminal_has_two_lines_a_row_and_none_is_wider(columns: int) -> None:
    lines = terminal.table(text.headline([ROW, OTHER]), columns).splitlines()
    assert max(len(plain(line)) for line in lines) <= columns
    assert plain(lines[0]) == "reproduced     lrn: both vs none, test error"
    assert lines[1].startswith("               -1.40 [")
    assert len([line for line in lines if line.startswith("\x1b")]) == 2


def test_the_result_is_one_sentence_with_the_share_and_the_other_verdicts() -> None:
    said = plain(terminal.result([ROW, OTHER]))
    assert said.startswith("lrn, laptop: reproduced, 1.1")
    assert "of the claim, at one rate: both vs none on glyphs, test error -1.40 [" in said
    assert said.endswith("claimed -1.40 ± 0.31 (notebook -1.37) (1 control inconclusive).")
    assert said.count("\n") == 0


def test_without_a_claim_there_is_no_result_to_tell() -> None:
    assert terminal.result(comparison(Question(), "laptop", with_delta(-1.4))) == ""  # type: ignore[arg-type]


def test_arms_are_explained_by_their_labels_where_the_file_does() -> None:
    said = terminal.about({"both": "LRN"}, {"both": "after conv1 and conv2"}, ["none", "both"])
    assert said == "Arms:\n  LRN: after conv1 and conv2"
    assert terminal.about({}, {}, ["none"]) == ""
