"""The README's tables of claims: complete, current, and made by a command."""

import subprocess
import sys
from pathlib import Path

import pytest

from alexbench.analysis.comparison import comparison
from alexbench.config import references
from alexbench.config.ablation import shipped_ablations
from alexbench.errors import BadInput
from alexbench.report import build, readme_claims, readme_profile, text
from alexbench.runs import record
from tests.records import LRN, MACHINE, make, with_delta

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_the_tables_of_the_committed_results():
    tables = build.readme_tables(ROOT / "results")
    assert all(readme_claims.BEGIN.format(name) in README for name in tables)
    stale = "run `alexbench claims --readme README.md`"
    assert readme_claims.put_into(README, tables, "README.md") == README, stale


def test_the_readme_asks_every_shipped_question():
    for name in shipped_ablations():
        assert f"| `{name}` | " in README


def lines(table: str) -> dict[str, list[str]]:
    """The cells of each row by its claim."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {row[1].split("`")[1]: row for row in rows}


def test_every_claim_has_a_row_and_what_is_not_measured_says_so():
    rows = lines(readme_claims.render([]))
    assert list(rows) == references.claim_ids()
    assert rows["depth"][3] == "[depth](ablations/depth.yaml)"
    assert rows["relu"][3] == "[init](ablations/init.yaml), [relu](ablations/relu.yaml)"
    assert "section 3.3" in rows["lrn"][2]
    assert all(row[4] == readme_claims.NOT_YET for row in rows.values())


def test_a_measured_claim_says_where_how_often_and_with_what_verdict(tmp_path):
    table = comparison(LRN, "laptop", with_delta(-1.4))
    row = lines(readme_claims.render([(tmp_path / "lrn" / "laptop", table)]))["lrn"]
    assert row[4].startswith("lrn/laptop, glyphs, n 6: test_error both vs none -1.40 [")
    assert row[0] == "reproduced, at one rate"
    unclear = comparison(LRN, "laptop", with_delta(-0.2, noise=5))
    row = lines(readme_claims.render([(tmp_path / "lrn" / "laptop", unclear)]))["lrn"]
    assert row[0].startswith("inconclusive (")
    assert row[0].endswith(" seeds), at one rate")


def test_seeds_that_there_are_already_are_not_asked_for(tmp_path):
    # so little spread that these pairs would have shown -1.4, and too much to say that none is
    table = comparison(LRN, "laptop", with_delta(-0.7, noise=3.5))
    (each,) = table
    assert (each.verdict, each.num_pairs) == ("inconclusive", 6)
    assert each.seeds_to_settle <= 6
    assert (
        lines(readme_claims.render([(tmp_path / "lrn" / "laptop", table)]))["lrn"][0]
        == "inconclusive, at one rate"
    )
    assert "too wide to say that none is" in text.sentence(each)


def test_the_table_of_a_profile_has_paper_notebook_measurement_and_cost(tmp_path):
    folder, runs = tmp_path / "lrn" / "cifar10-short", with_delta(-1.4)
    for run in runs:
        record.write(run, folder / "runs" / f"{run.run_id}.json")
    table = readme_profile.render([(folder, comparison(LRN, "cifar10-short", runs))])
    header, _, row, _, cost = table.splitlines()
    columns, values = ([cell.strip() for cell in line.split("|")] for line in (header, row))
    cells = dict(zip(columns, values, strict=True))
    assert cells["ablation"] == "`lrn`"
    assert cells["paper"] == "-1.40 (SE 0.31)"
    assert cells["notebook"] == "-1.37 (SE 0.31)"
    assert cells["measured [95% CI]"].startswith("-1.40 [")
    assert cells["n"] == "6"
    assert cells["verdict"] == "reproduced, at one rate"
    assert cells["share [95% CI]"].startswith("1.1")
    assert cost.startswith("On glyphs (embedded): 12 runs, of which 0 to tune, in ")


def test_p_values_of_the_table_are_adjusted_over_the_table_too(tmp_path):
    """Two ablations with a claim each: the smaller p is doubled, the larger is not."""
    folders = [tmp_path / name / "cifar10-short" for name in ("lrn", "other")]
    rows = []
    for folder, delta in zip(folders, (-1.4, -0.3), strict=True):
        runs = with_delta(delta)
        for run in runs:
            record.write(run, folder / "runs" / f"{run.run_id}.json")
        rows += comparison(LRN, "cifar10-short", runs)
    p = [row.p_value for row in rows]
    assert p[0] < p[1] < 0.5
    table = readme_profile.render([(f, [row]) for f, row in zip(folders, rows, strict=True)])
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:4]]
    assert [cells[-1] for cells in shown] == [text.p_value(2 * p[0]), text.p_value(p[1])]
    assert [cells[-2] for cells in shown] == [text.p_value(p[0]), text.p_value(p[1])]


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
    assert readme_profile.cost(runs) == f"On glyphs (embedded): {said}"


def test_a_page_without_a_place_for_a_table_is_refused():
    with pytest.raises(BadInput, match="has no line"):
        readme_claims.put_into("a page", {"claims": "a table"}, "PAGE.md")
    with pytest.raises(BadInput, match="has no line '<!-- end of claims -->'"):
        readme_claims.put_into(
            readme_claims.BEGIN.format("claims"), {"claims": "a table"}, "PAGE.md"
        )


def test_the_command_replaces_the_tables_that_a_page_has_and_nothing_else(tmp_path):
    begin, end = readme_claims.BEGIN.format("claims"), readme_claims.END.format("claims")
    page = tmp_path / "PAGE.md"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    command = [sys.executable, "-m", "alexbench", "claims", "--readme", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = page.read_text()
    assert after.startswith(f"before\n{begin}\n\n| verdict")
    assert after.endswith(f"\n\n{end}\nafter\n")
    assert "old" not in after
