"""The committed tables are what the committed records say, byte for byte; figures to the eye."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from alexbench.config.load import load_ablation
from alexbench.report import build, kernel_table

RESULTS = Path(__file__).parent.parent / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/*/runs"))
TABLES = ("summary.csv", "comparison.csv", "arms.csv", "runs.csv", "report.md", "report.tex")
VECTORS = ("forest.svg", "rates.svg", "curves.svg")
FIGURES = ("forest.png", "rates.png", "curves.png", "kernels.png")
TOLERANCE = 5  # RMS, of 255; one seed's errors moved by two points give 13 to 33
MEASURED = sorted(RESULTS.glob("benchmarks/*.json"))


def assert_same_figure(committed: Path, made: Path) -> None:
    """Another release of the drawing library moves a letter by a pixel; data move lines."""
    assert compare_images(str(committed), str(made), tol=TOLERANCE) is None


def test_no_image_of_a_data_set_is_committed() -> None:
    pictured = list(RESULTS.glob("*/cifar10*/pictures/*.json"))
    assert pictured
    assert [path for path in pictured if '"image"' in path.read_text()] == []


def test_every_table_has_its_records_beside_it() -> None:
    assert FOLDERS == sorted(path.parent for path in RESULTS.glob("*/*/comparison.csv"))
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_committed_tables_are_made_from_the_committed_records(
    folder: Path, tmp_path: Path
) -> None:
    for kind in ("runs", "tuning", "pictures", "members"):
        if (folder / kind).exists():
            shutil.copytree(folder / kind, tmp_path / kind)
    ablation = load_ablation(folder.parent.name, folder.name.partition(",")[0])
    heard: list[str] = []
    build.write(ablation, folder.name, tmp_path, heard.append, ["csv", "markdown", "latex"])
    assert heard == []
    for name in TABLES:
        committed = folder / name
        if committed.exists() or name in ("summary.csv", "comparison.csv", "report.md"):
            assert (tmp_path / name).read_bytes() == committed.read_bytes(), name
    for name in VECTORS:
        assert (folder / name).exists() == (tmp_path / name).exists()
        if (folder / name).exists():
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    for name in FIGURES:
        assert (folder / name).exists() == (tmp_path / name).exists()
        if (folder / name).exists():
            assert_same_figure(folder / name, tmp_path / name)


MEASURES = (
    *("delta", "ci_low", "ci_high", "paper_delta", "paper_se", "share"),
    *("baseline_mean", "variant_mean"),
)
DECIMAL = re.compile(r"\d+\.\d+")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_number_of_a_finding_is_in_its_comparison_or_its_tuning(folder: Path) -> None:
    finding = load_ablation(folder.parent.name, folder.name.partition(",")[0]).finding
    assert finding, "every committed profile says what was found"
    with (folder / "comparison.csv").open(newline="") as file:
        values = [float(row[key] or "nan") for row in csv.DictReader(file) for key in MEASURES]
    tuning = (folder / "report.md").read_text().partition("## Tuning")[2]
    values += [float(number) for number in DECIMAL.findall(tuning)]
    for number in DECIMAL.findall(finding):
        half = 0.51 * 10.0 ** -len(number.partition(".")[2])
        assert any(abs(abs(value) - float(number)) <= half for value in values), number


def test_the_tables_of_the_kernels_are_made_from_what_was_measured(tmp_path: Path) -> None:
    assert MEASURED
    for measured in MEASURED:
        for made in kernel_table.write(Path(shutil.copy(measured, tmp_path))):
            committed = measured.parent / made.name
            if made.suffix == ".png":
                assert_same_figure(committed, made)
            else:
                assert made.read_bytes() == committed.read_bytes()
