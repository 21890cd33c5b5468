"""`alexbench.run` and `alexbench.load`: what they take, what they give, and their errors."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import alexbench
from alexbench.errors import BadInput
from alexbench.launch.call import in_words_of_the_call
from tests.sweeps import ABLATION

OWN_CLAIM = """
claims:
  wider:
    variant: wide
    reported:
      statement: twice the width halves the error
      source: A. Author, A paper, 2020, table 1
      link: https://example.org/paper
      data: cifar10
      values: {narrow: 20.0, wide: 10.0}
      n: 3
      images: 10000
"""
OWN = ABLATION.replace("claims: {lrn: wide}\n", OWN_CLAIM)
SCALE = """
regime: modern
seeds: 1
config: {data.name: glyphs, data.image_size: 28, augment.crop_size: 24, model.init: fan_in}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[alexbench.Result, Path]:
    """A result of an own ablation with a claim of its own under an own profile, and its folder."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "mine1.5.yaml").write_text(OWN)
    (folder / "small.yaml").write_text(SCALE)
    result = alexbench.run(
        folder / "mine1.5.yaml",
        folder / "small.yaml",
        seeds=2,
        settings={"train.batch_size": 13, "data.mean": "none"},
        results=folder / "results",
        jobs=1,
    )
    return result, folder


def test_a_result_has_the_tables_the_records_and_the_folder(swept):
    result, folder = swept
    assert result.folder.parent == folder / "results" / "mine1.5"
    assert result.folder.name.startswith("small,")
    assert len(result.records) == 4
    assert result.records[0].config["train"]["batch_size"] == 13
    assert result.comparison["claim"].tolist()[0] == "mine1.5:wider"
    errors = result.runs[result.runs["metric"] == "test_error"]
    assert errors["variant"].value_counts().to_dict() == {"narrow": 2, "wide": 2}
    assert {"test_error", "step_seconds"} <= set(result.runs["metric"])
    assert len(result.history) == 4
    assert {"variant", "seed", "epoch", "test_error"} <= set(result.history)


def test_a_claim_of_ones_own_is_compared_like_any_other(swept):
    row = swept[0].comparison.iloc[0]
    assert row["paper_delta"] == -10
    assert row["paper_se"] == pytest.approx(((20 * 80 + 10 * 90) / 10_000) ** 0.5)
    assert row["verdict"] == "inconclusive"  # two pairs
    assert row["same_data"] == "no"
    text = (swept[0].folder / "report.html").read_text()
    assert "A. Author, A paper, 2020, table 1" in text
    assert "twice the width halves the error" in text


def test_a_notebook_sees_question_verdicts_and_escaped_texts(swept):
    page = swept[0]._repr_html_()
    assert "Does a wider net do better?" in page
    assert "mine1.5:wider" in page
    assert "<table" in page


@pytest.mark.parametrize("kind", ["curves", "forest", "dots"])
def test_a_result_draws_figures(swept, kind):
    assert swept[0].plot(kind).axes


def test_an_unknown_figure_is_named(swept):
    with pytest.raises(BadInput, match="plot: 'curvs' is unknown, did you mean 'curves'"):
        swept[0].plot("curvs")


def test_a_result_is_loaded_again_without_its_files(swept, tmp_path, monkeypatch):
    result, folder = swept
    monkeypatch.chdir(tmp_path)
    settings = {"train.batch_size": 13, "data.mean": "none"}
    again = alexbench.load("mine1.5", "small", settings=settings, results=folder / "results")
    with pytest.raises(BadInput, match=r"no records of mine1.5, small; there is small,"):
        alexbench.load("mine1.5", "small", results=folder / "results")
    assert again.comparison.equals(result.comparison)


def test_report_makes_an_own_ablation_again_without_its_files(swept, tmp_path):
    result, folder = swept
    table = result.folder / "comparison.csv"
    before = table.read_bytes()
    table.unlink()
    command = [sys.executable, "-m", "alexbench", "report", "mine1.5"]
    command += ["--results", str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "comparison.csv" not in done.stderr
    assert table.read_bytes() == before
    command = [sys.executable, "-m", "alexbench", "report", "--results", str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


@pytest.mark.parametrize("named", [["mine1.5"], ["mine1.5:wider"]])
def test_a_claim_of_ones_own_is_told_where_its_file_is_not_loaded(swept, tmp_path, named):
    results = str(swept[1] / "results")
    command = [sys.executable, "-m", "alexbench", "claims", *named, "--results", results]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine1.5:wider" in done.stdout
    assert "mine1.5:wider" in (swept[1] / "results" / "index.html").read_text()


def test_records_carry_the_text_of_own_files_alone(swept):
    assert swept[0].records[0].files == {
        "ablations/mine1.5.yaml": OWN,
        "ablations/profiles/small.yaml": SCALE,
    }


def test_an_ablation_may_be_a_dict(tmp_path):
    content = yaml.safe_load(ABLATION)
    result = alexbench.run(content, seeds=1, results=tmp_path, jobs=1)
    assert result.ablation.name == "a_tiny_question"
    assert alexbench.load("a_tiny_question", results=tmp_path).runs.equals(result.runs)
    with pytest.raises(
        BadInput, match=r"^a_tiny_question\.yaml: unknown key 'tittle', did you mean"
    ):
        alexbench.run(content | {"tittle": "x"}, results=tmp_path)


def test_mistakes_are_told_in_the_words_of_the_call(tmp_path):
    with pytest.raises(TypeError, match=r"no keyword 'profil', did you mean 'profile'\?"):
        alexbench.run("lrn", profil="laptop")
    with pytest.raises(TypeError, match=r"run\(\) has no keyword 'thread', did you mean 'threads'"):
        alexbench.run("lrn", thread=1)
    with pytest.raises(BadInput, match=r"^settings train.epoch=1: .* did you mean 'train.epochs'"):
        alexbench.run("lrn", settings={"train.epoch": 1})
    with pytest.raises(BadInput, match=r"^ablation: 3 is no name and no path$"):
        alexbench.run(3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": "2"}, "seeds: 2 should be a whole number, or None"),
        ({"seeds": True}, "seeds: True should be a whole number"),
        (
            {"seeds": 10**5000},
            "seeds: a whole number of 16610 bits is not allowed, it should be",
        ),
        ({"jobs": 1.5}, "jobs: 1.5 should be a whole number"),
        ({"threads": [1]}, r"threads: \[1\] should be a whole number"),
        ({"device": None}, "device: None is no name and no path"),
        ({"results": None}, "results: None is no name and no path"),
        ({"results": ""}, "results: is empty"),
        ({"data_root": ""}, "data_root: is empty"),
        ({"settings": 3}, "settings: 3 should be a dict, or a list of 'key=value'"),
        ({"settings": "train.epochs=1"}, "settings: train.epochs=1 should be a dict"),
        ({"settings": [1]}, r"settings: \[1\] should be a dict"),
        ({"settings": {"train.lr": object()}}, "settings: train.lr: <object .* is no text"),
        (
            {"settings": {"train.lr": np.zeros(2)}},
            r"settings: train.lr: array.* is no text",
        ),
        ({"settings": {3: 1}}, "settings 3"),
        ({"hang_seconds": "long"}, "hang_seconds long: "),
    ],
)
def test_an_argument_of_another_type_is_bad_input(tmp_path, options, said):
    with pytest.raises(BadInput, match=f"^{said}"):
        alexbench.run("lrn", **{"results": tmp_path, **options})
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_numbers(tmp_path):
    content = yaml.safe_load(ABLATION)
    settings = {
        "train.epochs": np.int64(1),
        "train.lr": np.float32(0.5),
        "augment.mirror": np.True_,
    }
    result = alexbench.run(content, seeds=np.int64(1), settings=settings, results=tmp_path, jobs=1)
    assert len(result.records) == 2
    assert result.records[0].config["train"]["lr"] == 0.5


def test_loading_and_comparing_take_paths_alone(tmp_path):
    for call in (lambda: alexbench.load(3), lambda: alexbench.load("lrn", None)):
        with pytest.raises(BadInput, match="is no name and no path"):
            call()
    with pytest.raises(BadInput, match="compare: 3 is no name and no path"):
        alexbench.compare(3)
    for call in (lambda: alexbench.compare("a\0.csv"), lambda: alexbench.run("l\0rn")):
        with pytest.raises(BadInput, match="has a NUL character"):
            call()


def test_options_of_the_command_line_become_keywords():
    assert in_words_of_the_call("--data-root x: choose --results") == "data_root x: choose results"
    assert in_words_of_the_call("--set a: see my--set") == "settings a: see my--set"


USER = """
import alexbench

result = alexbench.run("lrn", seeds=2, settings={"train.epochs": 1}, threads=1, on_error="stop")
reveal_type(result)
reveal_type(result.folder)
alexbench.run("lrn", seeds="two")
alexbench.run("lrn", on_error="panic")
norm = alexbench.LocalResponseNorm(5)
reveal_type(norm)
"""


@pytest.mark.slow  # mypy reads torch: minutes
def test_a_users_script_is_checked_by_mypy(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "user.py"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={"MYPYPATH": str(root)}
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("user.py")]
    assert [re.sub(r"user.py:(\d+): (\w+).*", r"\1 \2", line) for line in said] == [
        "5 note",
        "6 note",
        "7 error",
        "8 error",
        "10 note",
    ], done.stdout
    assert "alexbench.report.result.Result" in said[0]
    assert "pathlib.Path" in said[1]
