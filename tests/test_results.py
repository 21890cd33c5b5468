"""The committed tables are what the committed records say, byte for byte."""

import shutil
from pathlib import Path

import pytest

from alexbench import config, report

RESULTS = Path(__file__).parent.parent / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/*/runs"))
TABLES = ("summary.csv", "comparison.csv", "report.md", "report.tex")


def test_every_table_has_its_records_beside_it() -> None:
    assert FOLDERS == sorted(path.parent for path in RESULTS.glob("*/*/comparison.csv"))
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_committed_tables_are_made_from_the_committed_records(
    folder: Path, tmp_path: Path
) -> None:
    for kind in ("runs", "tuning"):
        if (folder / kind).exists():
            shutil.copytree(folder / kind, tmp_path / kind)
    ablation = config.load(folder.parent.name, folder.name.partition(",")[0])
    heard: list[str] = []
    report.write(ablation, folder.name, tmp_path, heard.append, ["csv", "markdown", "latex"])
    assert heard == []
    for name in TABLES:
        committed = folder / name
        if committed.exists() or name in ("summary.csv", "comparison.csv", "report.md"):
            assert (tmp_path / name).read_bytes() == committed.read_bytes(), name
