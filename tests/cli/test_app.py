"""The command line: what it prints, and one line with a status for every mistake."""

import inspect
import json
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from alexbench.cli.app import run
from alexbench.cli.bench import gate_markdown
from alexbench.config.describe import knobs
from alexbench.config.execution import RunOptions
from tests.sweeps import ABLATION

RESULTS = Path(__file__).parents[2] / "results"


def alexbench(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alexbench", *arguments], capture_output=True, text=True, cwd=cwd
    )


def test_list_shows_every_ablation_with_its_question_and_claims():
    done = alexbench("list")
    assert done.returncode == 0
    for text in ("lrn", "Does local response normalization lower the test error?", "two_gpu_links"):
        assert text in done.stdout


def test_plan_says_what_would_train_and_trains_nothing(tmp_path):
    sizes = ["--set", "data.train_images=52", "--set", "data.test_images=26"]
    done = alexbench("plan", "lrn", "--seeds", "3", *sizes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "gain_only" in done.stdout
    assert "15 runs to train" in done.stdout
    assert done.stdout.count(" 0 to 2 ") == 5  # a row a variant
    assert not list(tmp_path.rglob("*.json"))


def test_run_takes_several_ablations_and_refuses_a_wrong_one_before_any_trains(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(ABLATION)
    where = ("--seeds", "1", "--results", "found", "--jobs", "1")
    refused = alexbench("run", "one.yaml", "none.yaml", *where, cwd=tmp_path)
    assert refused.returncode == 2
    assert not list(tmp_path.rglob("*.json"))
    done = alexbench("run", "one.yaml", "two.yaml", *where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("one", "two"):
        assert f"records are in found/{name}/laptop" in done.stdout
        assert "\nEvaluation took " in done.stdout
        assert (tmp_path / "found" / name / "laptop" / "comparison.csv").is_file()


def test_report_makes_tables_and_figures_of_runs_and_kernels_again(tmp_path):
    kept = [*RESULTS.glob("weight_decay/laptop/runs/*"), *RESULTS.glob("benchmarks/*.json")]
    for path in kept:
        copy = tmp_path / "results" / path.relative_to(RESULTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    done = alexbench("report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = {Path(line).relative_to("results") for line in done.stdout.splitlines()}
    suffixes = {".csv", ".md", ".tex", ".png", ".svg", ".pdf", ".html"}
    assert {path.suffix for path in made} == suffixes
    for path in (each for each in made if each.suffix in (".csv", ".md")):
        if path.name == "history.csv":
            continue  # not committed
        assert (tmp_path / "results" / path).read_bytes() == (RESULTS / path).read_bytes()
    scorecard = {f"scorecard.{form}" for form in ("svg", "png", "pdf")}
    places = {"weight_decay", "benchmarks", "index.html", *scorecard}
    assert {path.parts[0] for path in made} == places
    assert done.stderr.startswith("weight_decay, laptop: inconclusive, at one rate: decay vs")
    assert done.stderr.count("\n") == 1  # the result in one sentence


@pytest.fixture
def results(tmp_path):
    """A folder of results with one ablation under two profiles."""
    for profile in ("laptop", "cifar10-short"):
        place = tmp_path / "results" / "weight_decay" / profile
        shutil.copytree(RESULTS / "weight_decay" / profile / "runs", place / "runs")
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (("results/weight_decay/laptop",), {"laptop"}),
        (("results/weight_decay/",), {"laptop", "cifar10-short"}),
        (("weight_decay", "--profile", "cifar10-short"), {"cifar10-short"}),
        (("--profile", "laptop"), {"laptop"}),
        (("results/weight_decay/laptop/../cifar10-short/../laptop/.",), {"laptop"}),
    ],
)
def test_report_takes_a_folder_and_a_profile(results, arguments, made):
    done = alexbench("report", *arguments, "--format", "latex", cwd=results.parent)
    assert done.returncode == 0, done.stderr
    assert {Path(line).parent.name for line in done.stdout.splitlines()} == made
    assert {path.parent.name for path in results.rglob("report.tex")} == made


@pytest.mark.parametrize("place", [".", "..", "../laptop", "../../weight_decay"])
def test_report_takes_a_folder_by_dots(results, place):
    inside = results / "weight_decay" / "laptop"
    done = alexbench("report", place, "--format", "latex", cwd=inside)
    assert done.returncode == 0, done.stderr
    assert (inside / "report.tex").is_file()


def test_report_of_a_folder_writes_an_index_only_where_the_folder_is_of_the_results(results):
    elsewhere = results.parent / "elsewhere"
    elsewhere.mkdir()
    folder = str(results / "weight_decay" / "laptop")
    (results / "index.html").write_text("somebody's own page")
    assert alexbench("report", folder, cwd=elsewhere).returncode == 0
    assert list(elsewhere.iterdir()) == []
    assert (results / "index.html").read_text() == "somebody's own page"
    assert alexbench("report", folder, cwd=results.parent).returncode == 0
    assert (results / "index.html").read_text() != "somebody's own page"


def test_a_folder_that_is_named_in_two_ways_is_reported_and_never_waited_for(results):
    (results.parent / "link").symlink_to(results)
    names = [f"{place}/weight_decay/laptop" for place in ("results", "link", results)]
    done = alexbench("report", *names, "--format", "csv", "--results", "x", cwd=results.parent)
    assert done.returncode == 0, done.stderr


def test_claims_prints_the_scorecard_and_everything_of_a_claim(results):
    assert alexbench("report", "--format", "csv", cwd=results.parent).returncode == 0
    done = alexbench("claims", cwd=results.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("\n1 inconclusive; 6 runs, 0.8 core hours\n")
    assert "weight_decay: decay vs no_decay, training error" in done.stdout
    assert "Not tested: relu, two_gpu, " in done.stdout
    everything = alexbench("claims", "weight_decay", "--json", cwd=results.parent)
    rows = json.loads(everything.stdout)
    assert [row["profile"] for row in rows] == ["cifar10-short", "laptop"]
    narrowed = alexbench("claims", "weight_decay", "--json", "--profile=laptop", cwd=results.parent)
    assert [row["profile"] for row in json.loads(narrowed.stdout)] == ["laptop"]


def test_a_folder_without_a_report_is_named_after_the_reports_of_the_others(tmp_path):
    for folder in ("lrn/old/runs", "weight_decay/laptop/runs"):
        (tmp_path / folder).mkdir(parents=True)
    for path in RESULTS.glob("weight_decay/laptop/runs/*"):
        shutil.copy(path, tmp_path / "weight_decay/laptop/runs")
    done = alexbench("report", "--results", str(tmp_path))
    assert done.returncode == 2
    assert f"error: {tmp_path}/lrn/old: unknown profile 'old'" in done.stderr
    assert f"{tmp_path}/weight_decay/laptop/report.md" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "lnr"), "did you mean 'lrn'?"),
        (("run", "lrn", "--set", "model.lnr=none"), "did you mean 'model.lrn'?"),
        (("run", "lrn", "--profile", "labtop"), "did you mean 'laptop'?"),
        (("report", "lnr"), "did you mean 'lrn'?"),
        (("report", "."), ".: no records in this folder"),
        (("claims", "lnr"), "did you mean 'lrn'?"),
        (("run", "lrn", "--slurm", "timeout_min=5"), "--slurm is for --launcher slurm"),
        (("run", "lrn", "--address", "auto"), "--address is for --launcher ray"),
        (("run", "lrn", "--jobs", "many"), "--jobs many: allowed are auto and whole numbers"),
        (("bench", "--threads", "1", "lrn"), "--threads goes behind lrn"),
        (("gate", "--base", "HEAD", "--cases", "lrn_auto,x"), "--cases x: not one of lrn_auto, "),
        (("data", "cache"), "data cache: needs --data-root"),
        (("show",), "show: needs an ablation, or --schema"),
        (("show", "lrn", "--schema"), "--schema is of every ablation: it takes no other argument"),
        (("compare", "a.csv", "--json", "--markdown"), "compare: --json or --markdown, not both"),
        (("claims", "--page", "x.md", "--json"), "--page has all claims: it takes no names, no"),
        (("claims",), "results: no results here; --results names the folder that holds them"),
        (("run", "lrn", "--results", ""), "the argument behind --results is empty"),
        (("claims", "--json", ""), "the argument behind --json is empty"),
        (("", "lrn"), "the argument behind alexbench is empty"),
        (("compare", "x" * 300, "y.csv"), f"{'x' * 37} ... {'x' * 37}: File name too long"),
        (("report", "x" * 300), ": File name too long"),
        (("claims", "--results", ".", "--page", "x" * 300), ".: no results here; --results names"),
        (("show", "--schema", "--profile", "laptop"), "--schema is of every ablation: it takes no"),
        (("run", "lrn", "--data-root="), "--data-root: is empty"),
        (("run", "lrn", "--jobs", "9" * 5000), "999: allowed are auto and whole numbers"),
        (("bench", "lrn", "--csv", "."), "--csv .: is no file"),
        (("show", "lrn", "--variant", "bth"), "did you mean 'both'?"),
        (("run", "lrn", "--on-eror", "keep"), "No such option: --on-eror"),
        (("run", "lrn", "--seeds", "0"), "Invalid value for '--seeds'"),
        (("rnu",), "No such command 'rnu'"),
        (
            ("scale", "--tflops", "0", "--link", "1", "--loader", "1"),
            "--tflops 0: should be 1e-09 to 1e+09",
        ),
        (("scale", "--tflops", "1e-320", "--link", "1", "--loader", "1"), "should be 1e-09 to"),
        (("scale", "--tflops", "1", "--link", "1", "--loader", "nan"), "--loader nan: should be"),
        (("scale", "--batch", "9" * 400), "Invalid value for '--batch'"),
        (("bench", "lrn", "--threads", "9" * 400), "bits: from 1 to "),
        (("data", "cache", "--data-root", ".", "--threads", "4096"), "--threads 4096: from 1 to "),
        (("data", "throughput", "--set", "train.cuda_graph=true"), "train.cuda_graph: measured is"),
        (("data", "throughput", "--set", "train.placement=two"), "train.placement: measured is"),
        (("data", "throughput", "--steps", "9" * 19), "Invalid value for '--steps'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, expected, tmp_path):
    done = alexbench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr


def standard_streams(
    redirections: str, *arguments: str, cwd: Path
) -> "subprocess.CompletedProcess[str]":
    command = f"{shlex.join([sys.executable, '-m', 'alexbench', *arguments])} {redirections}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("show", "lrn")])
@pytest.mark.parametrize(
    ("redirection", "why"),
    [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_output_that_cannot_be_written_is_one_line_and_status_1(
    arguments, redirection, why, tmp_path
):
    done = standard_streams(redirection, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"error: stdout: cannot be written ({why})\n")


def test_a_reader_that_leaves_is_no_error(tmp_path):
    done = standard_streams("| head -n 1; exit ${PIPESTATUS[0]}", "show", "lrn", cwd=tmp_path)
    assert done.stdout.endswith("ablations/lrn.yaml\n")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("redirections", "status"),
    [("<&- >&- 2>&-", 1), ("> /dev/full", 1), ("2> /dev/full", 0), ("2> >(true)", 0)],
)
def test_sweeps_whose_streams_are_closed_or_full_are_measured_as_any_other(
    redirections, status, tmp_path
):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(ABLATION)
    done = standard_streams(redirections, "run", "one.yaml", "two.yaml", "--seeds=1", cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert len(list((tmp_path / "results").glob("*/laptop/runs/*"))) == 4


def test_show_names_every_setting_with_its_meaning(tmp_path):
    done = alexbench("show", "lrn", "--variant", "both", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path, _, text = done.stdout.partition("\n")
    assert Path(path).read_text() in text
    for knob in knobs():
        assert f"\n{knob.key} = " in text
        assert knob.description in " ".join(text.split())


def test_show_schema_is_json(tmp_path):
    assert json.loads(alexbench("show", "--schema").stdout)["additionalProperties"] is False


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_the_choices(option, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    done = alexbench("run", option)
    assert done.returncode == 0
    for choices in ("keep|stop", "local|ray|slurm", "laptop|cifar10-short|cifar10|imagenet"):
        assert choices in done.stdout


def test_the_version_is_the_package_s():
    assert alexbench("--version").stdout == f"alexbench {version('alexbench')}\n"


SLOW_TO_LOAD = {"torch", "pandas", "numpy", "matplotlib", "scipy", "rich", "tabulate"}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("--help",), set()),
        (("run", "--help"), set()),
        (("list",), {"yaml"}),
        (("show", "lrn"), {"yaml", "pydantic"}),
    ],
)
def test_quick_commands_load_nothing_that_takes_longer_than_they_do(arguments, needed):
    slow = SLOW_TO_LOAD | {"yaml", "pydantic"}
    code = f"""
import sys
from alexbench.__main__ import command_line
sys.argv = ["alexbench", *{arguments}]
assert command_line() == 0
sys.exit(" ".join(sorted({slow} & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert set(done.stderr.split()) == needed


def test_the_options_of_run_have_the_defaults_of_a_call_from_python():
    options = inspect.signature(run).parameters
    own = {name: field.default for name, field in RunOptions.model_fields.items()}
    assert {name: options[name].default for name in own} == own | {"slurm": []}  # typer knows lists


def test_list_and_plan_give_json(tmp_path):
    listed = json.loads(alexbench("list", "--json").stdout)
    assert {"ablation", "question", "claims", "variants"} <= set(listed[0])
    sizes = ["--set", "data.train_images=52", "--set", "data.test_images=26"]
    done = alexbench("plan", "lrn", "--seeds", "1", *sizes, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)
    assert (planned["ablation"], planned["profile"]) == ("lrn", "laptop")
    assert {run["state"] for run in planned["runs"]} == {"to do"}
    assert len(planned["runs"]) == 5


def test_the_gate_is_a_markdown_table_for_the_summary_of_a_job():
    timings = pd.DataFrame([{"case": "lrn", "ratio": 1.25, "verdict": "fail"}])
    counters = pd.DataFrame([{"case": "lrn", "counter": "allocations", "base": 1, "head": 2}])
    text = gate_markdown(timings, counters, "main", ["throughput: 0 pass, 1 fail"])
    assert "### Throughput against `main`" in text
    assert "| lrn    |   1.250 | fail      |" in text
    assert "allocations" in text
    assert text.endswith("throughput: 0 pass, 1 fail\n")
