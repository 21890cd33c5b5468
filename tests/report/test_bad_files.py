"""A bad file costs itself: one line with its name, and all other reports are as they were."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from alexbench.config.paths import shipped_folder
from alexbench.errors import BadInput, RunFailed
from alexbench.report import build, csv_files
from alexbench.report.rebuild import again
from alexbench.runs.record import RunRecord
from tests.records import LRN, make, whole, with_delta, write_records

BAD = ["", "[" * 100_000, "null", "{}", "\x00\x01", "claim\n1,2,3"]


def of_pooling() -> list[RunRecord]:
    names = {"none": "non_overlapping", "both": "overlapping"}
    return [
        whole(dataclasses.replace(each, ablation="pooling", variant=names[each.variant]))
        for each in with_delta(-1.4)
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def report(results: Path, **options: object) -> tuple[list[str], str]:
    """The warnings of `alexbench report`, and the error that it ends with."""
    heard: list[str] = []
    try:
        list(again(results, [], None, ["csv", "markdown", "latex", "html"], heard.append))
    except (BadInput, RunFailed) as error:
        return heard, str(error)
    return heard, ""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two ablations with their reports."""
    write_records(with_delta(-1.4), tmp_path / "lrn" / "laptop")
    write_records(of_pooling(), tmp_path / "pooling" / "laptop")
    assert report(tmp_path) == ([], "")
    return tmp_path


def test_a_bad_record_costs_itself_and_no_other_report_changes(results: Path) -> None:
    before = files(results / "pooling" / "laptop")
    bad = results / "lrn" / "laptop" / "runs" / "none-0.json"
    content = json.loads(bad.read_text())
    content["history"][0]["test_error"] = 1e308
    bad.write_text(json.dumps(content))
    heard, error = report(results)
    assert (len(heard), error) == (1, "")
    assert heard[0].startswith(f"{bad}: key 'history.0.test_error'")
    assert files(results / "pooling" / "laptop") == before
    rows = csv_files.read_comparison(results / "lrn" / "laptop" / "comparison.csv")
    assert rows[0].num_pairs == 5


def test_a_folder_without_a_usable_record_costs_itself(results: Path) -> None:
    before = files(results / "pooling" / "laptop")
    for path in (results / "lrn" / "laptop" / "runs").iterdir():
        path.write_text("{")
    _, error = report(results)
    assert "lrn/laptop/runs: holds no usable record" in error
    assert files(results / "pooling" / "laptop") == before


@pytest.mark.parametrize("content", BAD)
def test_a_bad_table_is_named_and_the_index_is_made(results: Path, content: str) -> None:
    bad = results / "other" / "laptop" / "comparison.csv"
    bad.parent.mkdir(parents=True)
    bad.write_text(content)
    (results / "index.html").unlink()
    heard: list[str] = []
    build.write_index(results, tell=heard.append)
    assert len(heard) == 1
    assert heard[0].startswith(f"{bad}: ")
    assert (results / "index.html").is_file()


def test_a_folder_in_place_of_a_table_is_named(results: Path) -> None:
    (results / "other" / "laptop" / "comparison.csv").mkdir(parents=True)
    heard: list[str] = []
    build.write_index(results, tell=heard.append)
    assert "other/laptop/comparison.csv: is no table" in heard[0]


def test_a_file_that_cannot_be_written_costs_itself(results: Path) -> None:
    before = files(results / "lrn" / "laptop")
    figure = results / "lrn" / "laptop" / "curves.png"
    figure.unlink()
    figure.mkdir()
    _, error = report(results)
    assert "curves.png: cannot be written" in error
    after = files(results / "lrn" / "laptop")
    assert after == {name: before[name] for name in after}
    assert {"report.md", "report.html", "comparison.csv"} <= set(after)


@pytest.mark.parametrize("content", [*BAD, '{"kernels": ["QUJD"]}'])
def test_bad_pictures_are_named_and_the_report_is_made(tmp_path: Path, content: str) -> None:
    folder = write_records(with_delta(-1.4), tmp_path)
    (folder / "pictures").mkdir()
    (folder / "pictures" / "none-seed0.json").write_text(content)
    heard: list[str] = []
    build.write(LRN, "laptop", folder, heard.append, ["html"])
    assert heard == [f"{folder}/pictures/none-seed0.json: is not a file of pictures; delete it"]
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize("content", [*BAD, '{"benchmarks": [], "machine_info": {}}'])
def test_a_bad_benchmark_file_is_named_and_the_others_make_their_tables(
    tmp_path: Path, content: str
) -> None:
    good = min(shipped_folder("results").glob("benchmarks/*.json"))
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(good, tmp_path / "benchmarks" / "z.json")
    (tmp_path / "benchmarks" / "a.json").write_text(content)
    with pytest.raises(BadInput, match=r"a\.json: is not what `alexbench bench` wrote"):
        list(again(tmp_path, [], None, [], lambda line: None))
    assert (tmp_path / "benchmarks" / "z.csv").is_file()


def test_null_numbers_of_a_run_that_diverged_make_a_report(tmp_path: Path) -> None:
    records = with_delta(-1.4)
    diverged = make("both", 6, status="diverged", epochs=2, test_errors=(80.0, 80.0))
    keys = ("train_loss", "test_loss", "running_train_error", "train_error", "test_error")
    diverged.history[-1].update(dict.fromkeys((*keys, "top5_error")))
    heard: list[str] = []
    build.write(LRN, "laptop", write_records([*records, diverged], tmp_path), heard.append)
    assert heard == []
