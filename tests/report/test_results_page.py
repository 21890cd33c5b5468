"""The tables of docs/results.md: complete, current, and made by a command."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from alexbench.analysis.comparison import comparison
from alexbench.config import references
from alexbench.errors import BadInput
from alexbench.report import build, results_page, text
from alexbench.runs import record
from tests.records import LRN, MACHINE, make, with_delta

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def cells(table: str) -> list[list[str]]:
    """The cells of each row below the heading."""
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    plain = [row.replace("\N{NO-BREAK SPACE}", " ") for row in rows]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in plain]


def test_the_page_has_the_tables_of_the_committed_results():
    tables = build.page_tables(build.read_tables(ROOT / "results"))
    assert all(results_page.BEGIN.format(name) in PAGE for name in tables)
    stale = "run `alexbench claims --page docs/results.md`"
    assert results_page.put_into(PAGE, tables, "results.md") == PAGE, stale


def test_every_claim_has_a_row_with_its_source_and_the_files_that_test_it():
    tables = results_page.render([])
    rows = {row[0].strip("`"): row for row in cells(tables["claims"])}
    assert list(rows) == references.claim_ids()
    assert rows["depth"][3] == "[depth](../ablations/depth.yaml)"
    assert rows["relu"][3] == "[init](../ablations/init.yaml), [relu](../ablations/relu.yaml)"
    assert "section 3.3" in rows["lrn"][2]
    assert tables["images"] == tables["letters"] == results_page.NOT_YET


def test_a_measured_row_begins_with_the_verdict_and_says_where_and_how_often(tmp_path):
    table = comparison(LRN, "laptop", with_delta(-1.4))
    (row,) = cells(results_page.render([(tmp_path / "lrn" / "laptop", table)])["letters"])
    verdict, arms, measured, claimed, pairs, _ = row
    assert verdict == "**reproduced**, at one rate"
    assert arms == "lrn: both vs none, test error<br>[lrn/laptop](../results/lrn/laptop/report.md)"
    assert measured.startswith("-1.40 [")
    assert "<br>share 1.1" in measured
    assert claimed == "-1.40 ± 0.31 (notebook -1.37)"
    assert pairs == "6"


def test_an_inconclusive_row_says_how_many_seeds_would_settle_it(tmp_path):
    unclear = comparison(LRN, "laptop", with_delta(-0.2, noise=5))
    (row,) = cells(results_page.render([(tmp_path / "lrn" / "laptop", unclear)])["letters"])
    assert row[0].startswith("**inconclusive**, ")
    assert row[0].endswith(" seeds would settle it, at one rate")


def test_seeds_that_there_are_already_are_not_asked_for(tmp_path):
    # so little spread that these pairs would have shown -1.4, and too much to say that none is
    table = comparison(LRN, "laptop", with_delta(-0.7, noise=3.5))
    (each,) = table
    assert (each.verdict, each.num_pairs) == ("inconclusive", 6)
    assert each.seeds_to_settle <= 6
    (row,) = cells(results_page.render([(tmp_path / "lrn" / "laptop", table)])["letters"])
    assert row[0] == "**inconclusive**, at one rate"
    assert "too wide to say that none is" in text.sentence(each)


def test_p_values_are_those_of_the_report_and_adjusted_over_the_table_too(tmp_path):
    """Two ablations with a claim each: the smaller p is doubled, the larger is not."""
    rows = [row for delta in (-1.4, -0.3) for row in comparison(LRN, "laptop", with_delta(delta))]
    p = [row.p_value for row in rows]
    assert p[0] < p[1] < 0.5
    folders = [tmp_path / name / "laptop" for name in ("lrn", "other")]
    table = results_page.measured([(f, [row]) for f, row in zip(folders, rows, strict=True)])
    shown = [row[-1] for row in cells(table)]
    first, second = text.p_value(p[0]), text.p_value(p[1])
    assert shown == [f"{first}<br>{text.p_value(2 * p[0])}", f"{second}<br>{second}"]


def test_images_and_letters_stand_in_tables_of_their_own_and_images_with_their_cost(tmp_path):
    folder, runs = tmp_path / "lrn" / "cifar10-short", with_delta(-1.4)
    for run in runs:
        record.write(run, folder / "runs" / f"{run.run_id}.json")
    (row,) = comparison(LRN, "cifar10-short", runs)
    tables = results_page.render([(folder, [replace(row, data="cifar10")])])
    assert len(cells(tables["images"])) == 1
    assert "12 runs, of which 0 to tune, in " in tables["images"].splitlines()[-1]
    assert tables["letters"] == results_page.NOT_YET


def test_what_a_profile_cost_counts_tuning_evaluation_and_every_thread():
    two_threads = MACHINE | {"num_threads": 2}
    hour = {"test_errors": (50.0, 40.0), "seconds": 1799.5}  # each epoch evaluates for 0.5 s
    runs = [
        make(**hour, run_id="a"),
        make(**hour, run_id="b", purpose="tune"),
        make(**hour, run_id="c", environment=two_threads),
        make(**hour, run_id="c", environment=two_threads, ablation="other"),  # a copy
        make(**hour, run_id="d", measurements={"views": "ten_crop"}),  # an average
    ]
    said = "3 runs, of which 1 to tune, in 4.0 core hours of a processor."
    assert results_page.cost(runs) == f"On glyphs (embedded): {said}"


def test_a_page_without_a_place_for_a_table_is_refused():
    with pytest.raises(BadInput, match="has no line"):
        results_page.put_into("a page", {"claims": "a table"}, "PAGE.md")
    with pytest.raises(BadInput, match="has no line '<!-- end of claims -->'"):
        results_page.put_into(results_page.BEGIN.format("claims"), {"claims": "a table"}, "PAGE.md")


def test_the_command_replaces_the_tables_that_a_page_has_and_nothing_else(tmp_path):
    begin, end = results_page.BEGIN.format("claims"), results_page.END.format("claims")
    page = tmp_path / "PAGE.md"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    command = [sys.executable, "-m", "alexbench", "claims", "--page", str(page), "--results"]
    refused = subprocess.run([*command, "nowhere"], capture_output=True, text=True, cwd=tmp_path)
    assert (refused.returncode, refused.stderr[:32]) == (2, "error: nowhere: no results here;")
    assert "\nold\n" in page.read_text()
    done = subprocess.run([*command, str(ROOT / "results")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = page.read_text()
    assert after.startswith(f"before\n{begin}\n\n| claim")
    assert after.endswith(f"\n\n{end}\nafter\n")
    assert "old" not in after
