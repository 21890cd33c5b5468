"""The README's table of claims: complete, current, and made by a command."""

import subprocess
import sys
from pathlib import Path

import pytest

from alexbench import config, references, report
from alexbench.errors import BadInput
from alexbench.report import claims
from tests.records import LRN, with_delta

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_the_table_of_the_committed_results():
    table = report.claims_table(ROOT / "results")
    stale = "run `alexbench claims --readme README.md`"
    assert claims.put_into(README, table, "README.md") == README, stale


def test_the_readme_asks_every_shipped_question():
    for name in config.shipped():
        assert f"| `{name}` | " in README


def lines(table: str) -> dict[str, list[str]]:
    """The cells of each row by its claim."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {row[0].split("`")[1]: row for row in rows}


def test_every_claim_has_a_row_and_what_is_not_measured_says_so():
    rows = lines(claims.render([]))
    assert list(rows) == references.claim_ids()
    assert rows["depth"][2] == "[depth](ablations/depth.yaml)"
    assert rows["relu"][2] == "[init](ablations/init.yaml), [relu](ablations/relu.yaml)"
    assert "section 3.3" in rows["lrn"][1]
    assert all(row[3] == claims.NOT_YET for row in rows.values())


def test_a_measured_claim_says_where_how_often_and_with_what_verdict(tmp_path):
    table = report.comparison(LRN, "laptop", with_delta(-1.4))
    row = lines(claims.render([(tmp_path / "lrn" / "laptop", table)]))["lrn"]
    assert row[3].startswith("laptop, glyphs, n 6: test_error both vs none -1.40 [")
    assert row[4] == "reproduced"
    unclear = report.comparison(LRN, "laptop", with_delta(-0.2, noise=5))
    row = lines(claims.render([(tmp_path / "lrn" / "laptop", unclear)]))["lrn"]
    assert row[4].startswith("inconclusive (")
    assert row[4].endswith(" seeds)")


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(BadInput, match="has no lines"):
        claims.put_into("a page", "a table", "PAGE.md")


def test_the_command_replaces_the_table_and_nothing_else(tmp_path):
    page = tmp_path / "PAGE.md"
    page.write_text(f"before\n{claims.BEGIN}\nold\n{claims.END}\nafter\n")
    command = [sys.executable, "-m", "alexbench", "claims", "--readme", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith(f"before\n{claims.BEGIN}\n\n| claim")
    assert text.endswith(f"\n\n{claims.END}\nafter\n")
    assert "old" not in text
