"""A bad file costs itself: one line with its name, and all other reports are as they were."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from alexbench.config.paths import shipped_folder
from alexbench.errors import BadInput, RunFailed
from alexbench.report import build, csv_files
from alexbench.report.rebuild import again
from alexbench.runs import pictures
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


def report(results: Path) -> tuple[list[str], str]:
    """The warnings of `alexbench report`, and the error that it ends with."""
    heard: list[str] = []
    try:
        list(again(results, [], None, ["csv", "markdown", "latex", "html"], heard.append))
    except (BadInput, RunFailed) as error:
        return heard, str(error)
    return heard, ""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ablations with their reports."""
    folder = tmp_path_factory.mktemp("made")
    write_records(with_delta(-1.4), folder / "lrn" / "laptop")
    write_records(of_pooling(), folder / "pooling" / "laptop")
    assert report(folder) == ([], "")
    return folder


@pytest.fixture
def results(tmp_path: Path, made: Path) -> Path:
    """A copy of them."""
    return shutil.copytree(made, tmp_path / "results")


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


@pytest.mark.parametrize("table", ["arms.csv", "runs.csv"])
@pytest.mark.parametrize(
    "content", ["", "\x00\x01", "trained,tuning_runs,core_hours\n-1,0,0", "FIFO"]
)
def test_a_bad_table_of_arms_or_runs_costs_itself(results: Path, table: str, content: str) -> None:
    bad = results / "lrn" / "laptop" / table
    bad.unlink()
    if content == "FIFO":
        os.mkfifo(bad)
    else:
        bad.write_text(content)
    heard: list[str] = []
    build.write_index(results, tell=heard.append)
    assert len(heard) == 1
    assert heard[0].startswith((f"{bad}: cannot be read (", f"{bad}: has no column "))
    assert "-1.4" in (results / "index.html").read_text()


@pytest.mark.parametrize("change", [{"claim": ""}, {"role": ""}])
def test_a_row_has_a_claim_and_a_role_or_neither(tmp_path: Path, change: dict[str, str]) -> None:
    (row, *_) = build.comparison(LRN, "laptop", with_delta(-1.4))
    wrong = dataclasses.replace(row, **change)
    csv_files.write_dataclasses(type(row), [wrong], tmp_path / "comparison.csv")
    with pytest.raises(BadInput, match=r"comparison.csv: role .*: a row has both or neither; make"):
        csv_files.read_comparison(tmp_path / "comparison.csv")


def test_a_table_of_more_than_ten_megabytes_is_named_and_not_read(tmp_path: Path) -> None:
    with (tmp_path / "arms.csv").open("wb") as file:
        file.truncate(csv_files.MOST_BYTES + 1)
    heard: list[str] = []
    assert csv_files.read_columns(tmp_path / "arms.csv", csv_files.ARMS, heard.append) == []
    assert "it has more than 10,000,000 bytes" in heard[0]


def test_a_folder_in_place_of_a_table_is_named(results: Path) -> None:
    (results / "other" / "laptop" / "comparison.csv").mkdir(parents=True)
    heard: list[str] = []
    build.write_index(results, tell=heard.append)
    assert "comparison.csv: cannot be read (it is a folder, not a regular file)" in heard[0]


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


def test_bad_pictures_are_named_and_the_report_is_made(tmp_path: Path) -> None:
    folder = write_records(with_delta(-1.4), tmp_path)
    (folder / "pictures").mkdir()
    for index, content in enumerate([*BAD, '{"kernels": ["QUJD"]}']):
        (folder / "pictures" / f"none-seed{index}.json").write_text(content)
    heard: list[str] = []
    build.write(LRN, "laptop", folder, heard.append, ["csv"])
    assert heard == [
        f"{folder}/pictures/none-seed{index}.json: is not a file of pictures; delete it"
        for index in range(len(BAD) + 1)
    ]
    assert (folder / "comparison.csv").is_file()


def test_a_picture_that_is_no_png_is_refused(tmp_path: Path) -> None:
    good = pictures.to_png(np.zeros((4, 4, 3), np.uint8))
    kept = pictures.Pictures("id", "none", 0, [good], [])
    for kernels, name in (([good], "none-seed0"), (["QUJD"], "none-seed0"), ([good], "none-seed1")):
        shutil.rmtree(tmp_path / "pictures", ignore_errors=True)
        pictures.write(dataclasses.replace(kept, kernels=kernels), tmp_path, pictures.EMBEDDED)
        found, refusals = pictures.read_folder(tmp_path, {"id": name})
        right = (kernels, name) == ([good], "none-seed0")
        assert (len(found), len(refusals)) == (int(right), int(not right))


def test_a_bad_benchmark_file_is_named_and_the_others_make_their_tables(tmp_path: Path) -> None:
    good = min(shipped_folder("results").glob("benchmarks/*.json"))
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(good, tmp_path / "benchmarks" / "z.json")
    bad = [*BAD, '{"benchmarks": [], "machine_info": {}}']
    for index, content in enumerate(bad):
        (tmp_path / "benchmarks" / f"a{index}.json").write_text(content)
    with pytest.raises(BadInput) as caught:
        list(again(tmp_path, [], None, [], lambda line: None))
    said = "json: is not what `alexbench bench` wrote; move it away"
    assert str(caught.value).count(said) == len(bad)
    assert (tmp_path / "benchmarks" / "z.csv").is_file()


def test_null_numbers_of_a_run_that_diverged_make_a_report(tmp_path: Path) -> None:
    records = with_delta(-1.4)
    diverged = make("both", 6, status="diverged", epochs=2, test_errors=(80.0, 80.0))
    keys = ("train_loss", "test_loss", "running_train_error", "train_error", "test_error")
    diverged.history[-1].update(dict.fromkeys((*keys, "top5_error")))
    heard: list[str] = []
    build.write(
        LRN, "laptop", write_records([*records, diverged], tmp_path), heard.append, ["csv", "html"]
    )
    assert heard == []
