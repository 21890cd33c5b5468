"""What files and data are called is shown as it is, in every format, and does nothing there."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from alexbench.cli.app import print_rows
from alexbench.report import build, csv_files, latex, markdown, terminal
from alexbench.report.text import TextTable
from tests.records import GLYPHS, Question, use, with_delta, write_records

NASTY = "<script>x</script> [a](javascript:b) ![c](http://d) | `e` $f$ {g} % \\input{h} &copy;"


def test_a_cell_is_no_formula_and_is_read_back() -> None:
    for text in ("=1+1", "+1", "-1", "@sum", "\t=1"):
        assert csv_files.cell(text).startswith("'")
    assert csv_files.text_of(csv_files.cell("=1+1")) == "=1+1"
    assert csv_files.cell(-1.4) == "-1.4"  # a number
    assert csv_files.cell("a\x1b[31m\n") == r"a\x1b[31m\n"
    assert csv_files.text_of("'tis") == csv_files.cell("'tis") == "'tis"


def test_markdown_has_no_html_link_image_or_entity_of_a_name() -> None:
    said = markdown.plain(NASTY + "\n# more")
    assert r"\<script>x\</script>" in said
    assert r"[a\](javascript:b)" in said
    assert r"![c\](http://d)" in said
    assert r"\&copy;" in said
    assert "\n" not in said
    assert markdown.plain("p <0.001 [-1.2, 3.4] & so on") == "p <0.001 [-1.2, 3.4] & so on"
    assert markdown.paragraph("# x") == r"\# x"
    assert markdown.paragraph("1. x") == r"1\. x"
    assert markdown.paragraph("[a]: http://b") == r"\[a\]: http://b"
    assert markdown.code("a`b") == "a'b"
    assert r"a\|b" in markdown.table(TextTable(["c"], [["a|b"]]))


def test_latex_prints_names_and_makes_no_command_of_a_label() -> None:
    assert latex.escape("\\input{x}%\ny") == r"\textbackslash{}input\{x\}\% y"
    assert latex.key(r"a}\input{b},c=1") == "a-input-b-c-1"


def test_a_terminal_gets_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(pd.DataFrame({"a": ["\x1b[31mred\n"], "b": [1]}), "t\x1bitle")
    table = terminal.table(TextTable(["verdict", "b"], [["x\x1b", "y"]]), 80)
    assert "\x1b" not in capsys.readouterr().out + table


def test_names_that_look_like_numbers_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(pd.DataFrame({"variant": ["010", "1e3"], "seed": [0, 10]}), "Runs")
    printed = capsys.readouterr().out
    assert "010 " in printed
    assert "1e3 " in printed
    assert "1000" not in printed


def test_a_report_of_nasty_names_is_made_and_holds_none_of_them_raw(tmp_path: Path) -> None:
    data = GLYPHS | {"name": NASTY, "source": NASTY}
    asked = Question(
        title=NASTY,
        question=f"# {NASTY}",
        finding=NASTY,
        claims={"lrn": (use("both"),)},
        labels={"both": NASTY},
        about={"none": NASTY},
    )
    records = [dataclasses.replace(each, data=data) for each in with_delta(-1.4)]
    build.write(asked, "laptop", write_records(records, tmp_path))
    for name in ("report.md", "report.html", "curves.svg"):
        text = (tmp_path / name).read_text()
        assert "<script>x" not in text.replace(r"\<script>x", "")
        if name == "report.md":
            assert "](javascript" not in text.replace(r"\](javascript", "")
    assert r"\input{h}" not in (tmp_path / "report.tex").read_text()
