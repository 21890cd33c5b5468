"""README, docs and examples: short, current, linked, readable, and each of their commands works."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from alexbench.__main__ import app
from alexbench.config.load import load_ablation
from tests.browser import Page, chromium, needs_chromium

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/*.md")),
]
MOST_BYTES = 9_000  # of the README: what a reader looks through before the first run
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
LOOP = re.compile(r"for (\w+) in (.*?); do (.*?); done")
NEEDS = re.compile(r"needs (a GPU|a cluster|CIFAR-10|ImageNet)\b")
TINY = {"train.epochs": 1, "data.train_images": 104, "data.test_images": 52}


class Command(NamedTuple):
    """One command of a page, with the remark behind it."""

    page: str
    text: str
    remark: str


def fenced(page: Path, *languages: str) -> Iterator[str]:
    """The blocks of a page in these languages."""
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield block


def commands() -> Iterator[Command]:
    """Every command of every page, loops written out."""
    for page in PAGES:
        for block in fenced(page, "console", "sh", "bash"):
            for line in block.replace("\\\n", "").splitlines():
                assert line.startswith("$ "), f"{page.name}: {line!r} is no command"
                text, _, remark = line.removeprefix("$ ").partition("  #")
                for each in written_out(text.strip()):
                    yield Command(page.name, each, remark.strip())


def written_out(text: str) -> list[str]:
    """A loop of the shell as the commands that it gives; any other command as it is."""
    if loop := LOOP.fullmatch(text):
        name, values, body = loop.groups()
        return [body.replace(f"${name}", value) for value in values.split()]
    return [text]


def unique(found: Iterator[Command]) -> list[Command]:
    """One of equal commands."""
    return list({each.text: each for each in found}.values())


COMMANDS = unique(commands())
ELSEWHERE = [each for each in COMMANDS if NEEDS.search(each.remark)]
HERE = [each for each in COMMANDS if each.text.startswith("alexbench") and each not in ELSEWHERE]
# one command that trains and one that probes; the others of their kind in the slow form
WORK = ("alexbench run", "alexbench plan", "alexbench bench", "alexbench gate")
QUICK = [
    each
    for each in HERE
    if not each.text.startswith(WORK) or re.search(r"wider\.yaml|--help", each.text)
]
LONG = [each for each in COMMANDS if each.text.startswith("python -m benchmarks")]
OTHERS = [each for each in COMMANDS if each not in [*ELSEWHERE, *HERE, *LONG]]


def words_of(text: str) -> list[str]:
    """The arguments of alexbench in a command."""
    words = shlex.split(text)
    if words[0] == "torchrun":
        return words[words.index("alexbench") + 1 :]
    assert words[0] == "alexbench", text
    return words[1:]


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and the values of its options, as typer reads them; nothing runs."""
    command: Any = typer.main.get_command(app)
    context, name = None, "alexbench"
    while hasattr(command, "commands"):
        context = command.make_context(name, words, parent=context)
        words = [*context._protected_args, *context.args]
        if not words:
            return name, context.params
        name, command, words = command.resolve_command(context, words)
    return name, command.make_context(name, words, parent=context).params


def made_tiny(words: list[str]) -> list[str]:
    """A training command with one seed, few images and one epoch; another command as it is."""
    if words[0] not in ("run", "plan") or "--help" in words:
        return words
    own = " ".join(words)
    settings = [f"{key}={value}" for key, value in TINY.items() if key not in own]
    return [*words, "--seeds", "1", *(word for each in settings for word in ("--set", each))]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder in which the commands find what they name: pages, examples, two results."""
    for name in ("docs", "examples", "ablations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("_build"))
    for name in ("lrn/laptop", "weight_decay/laptop"):
        shutil.copytree(ROOT / "results" / name, tmp_path / "results" / name)
    return tmp_path


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= MOST_BYTES


def test_the_two_set_up_commands_stand_first():
    first = [each.text for each in commands() if each.page == "README.md"][:2]
    assert first == ["make run", "make test"]


def test_the_readme_begins_with_the_scorecard():
    assert "](results/scorecard.svg)" in README.read_text(encoding="utf-8").partition("```")[0]


def test_the_generated_parts_are_current():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run `make docs`: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_question_of_the_readme_is_the_example_in_eight_lines():
    (block,) = fenced(README, "yaml")
    assert len(block.splitlines()) == 8
    assert block in (ROOT / "examples" / "wider.yaml").read_text()
    assert block in fenced(ROOT / "docs" / "questions.md", "yaml")


def test_the_claim_of_one_s_own_fits_the_example(tmp_path):
    question, claim = fenced(ROOT / "docs" / "questions.md", "yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(question + claim)
    assert list(load_ablation(str(path)).claims) == ["mine:wider"]


def test_python_in_the_pages_is_python():
    blocks = [block for page in PAGES for block in fenced(page, "python")]
    assert blocks
    for block in blocks:
        compile(block, "page", "exec")


def test_the_gate_workflow_gives_a_command_that_there_is():
    text = (ROOT / "examples" / "throughput-gate.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["gate"]["steps"]
    command = steps[-1]["run"].partition(" |")[0]
    name, options = parsed(words_of(command))
    assert (name, options["base"]) == ("gate", "origin/${{ github.base_ref }}")


def test_every_command_is_run_or_says_what_it_needs():
    assert ELSEWHERE
    assert {shlex.split(each.text)[0] for each in OTHERS} == {"make", "."}


@pytest.mark.parametrize("command", OTHERS, ids=lambda each: each.text)
def test_a_command_of_make_has_its_target(command):
    words = shlex.split(command.text)
    if words[0] == ".":
        assert "VENV := .venv\n" in (ROOT / "Makefile").read_text()
        assert words[1:] == [".venv/bin/activate"]
    else:
        done = subprocess.run([words[0], "--dry-run", *words[1:]], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, done.stderr


def run_here(command: Command, workspace: Path) -> None:
    """Run a command of alexbench in the workspace; tiny where it trains."""
    words = made_tiny(words_of(command.text))
    done = subprocess.run(
        [sys.executable, "-m", "alexbench", *words], cwd=workspace, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", QUICK, ids=lambda each: each.text)
def test_a_command_that_can_run_here_runs(command, workspace):
    run_here(command, workspace)


@pytest.mark.parametrize(
    "command",
    [each for each in [*ELSEWHERE, *HERE] if each not in QUICK],
    ids=lambda each: each.text,
)
def test_a_command_that_takes_long_or_needs_more_is_read_as_meant(command):
    name, options = parsed(words_of(command.text))
    if name in ("run", "plan"):
        for name in options.get("ablations") or [options["ablation"]]:
            load_ablation(name, options["profile"], settings=options["set_"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [each for each in HERE if each not in QUICK], ids=lambda each: each.text
)
def test_a_command_that_trains_or_measures_runs(command, workspace):
    """Where it trains, with few images; the gate needs a checkout without changes."""
    run_here(command, ROOT if command.text.startswith("alexbench gate") else workspace)


@pytest.mark.slow
@pytest.mark.parametrize("command", LONG, ids=lambda each: each.text)
def test_a_measurement_of_the_repository_runs(command):
    words = shlex.split(command.text)
    done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


STYLE = """
body { width: 836px; margin: 0; font: 16px/1.5 sans-serif }
table { display: block; width: max-content; max-width: 100%; overflow: auto; border-spacing: 0 }
td, th { padding: 6px 13px; border: 1px solid } code { font: 85% monospace; padding: .2em .4em }
img { max-width: 100% } pre { overflow: auto; padding: 16px; font: 85%/1.45 monospace }
"""


@needs_chromium
@pytest.mark.parametrize("name", ["README.md", "docs/results.md", "docs/commands.md"])
def test_no_table_is_cut_at_the_width_of_a_code_host(name, page, tmp_path):
    markdown_it = pytest.importorskip("markdown_it")
    made = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    body = made.render((ROOT / name).read_text(encoding="utf-8"))
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{body}")
    page.open(path, width=900)
    tables = page.evaluate(
        "[...document.querySelectorAll('table')].map(each => each.scrollWidth - each.clientWidth)"
    )
    assert tables
    assert [over for over in tables if over > 0] == []
