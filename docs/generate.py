"""Fill the generated parts of README.md and docs/: python docs/generate.py [--check].

Keys come from the schema, commands from typer, questions from ablations/, findings and numbers from
the committed records. A part stands between two comments, as in `alexbench claims --page`.
"""

import contextlib
import io
import os
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from alexbench.__main__ import app
from alexbench.cli.app import print_comparison
from alexbench.config import ablation_file, metrics, own_parts, schema
from alexbench.config.load import load_ablation
from alexbench.config.shipped import shipped_ablations
from alexbench.report import build
from alexbench.report.results_page import markdown, put_into

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
# the findings of the README: an ablation and a profile each
FINDINGS = (
    ("relu", "cifar10-short-authors"),
    ("lrn", "cifar10-short"),
    ("dropout", "cifar10-short"),
)
WIDTH = 90  # characters of a printed line in the README
PRINTED_LINES = 8  # of the comparison; the sentence behind it follows


def text_of(value: Any) -> str:
    """A value as YAML has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[]" if not value else str(list(value))
    return f"{value:g}" if isinstance(value, float) and value < 1e-3 else str(value)


def allowed(kind: Any, notes: tuple[Any, ...] = ()) -> str:
    """What a type allows, in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == schema.OwnPart:
        return f"`{own_parts.FORM}`"
    if origin is Annotated:
        return allowed(arguments[0], (*arguments[1:], *notes))
    if origin is Literal:
        return ", ".join(f"`{text_of(each)}`" for each in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(
            "`null`" if each is types.NoneType else allowed(each) for each in arguments
        )
    names = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text"}
    bounds = [bound for note in notes for bound in bounds_of(note)]
    if kind in names:
        return ", ".join([names[kind], *bounds])
    return "list" if origin is tuple or origin is list else "mapping"


def bounds_of(note: Any) -> Iterator[str]:
    """The bounds of a constrained number: ``above 0``, ``at least 1``."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    parts = note.metadata if isinstance(note, FieldInfo) else [note]
    for part in parts:
        for name, word in words.items():
            if (bound := getattr(part, name, None)) is not None:
                yield f"{word} {bound}"


def cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def keys(model: type[schema.Section], prefix: str) -> str:
    """The table of a section's keys: default, allowed values, description."""
    rows = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default is PydanticUndefined else f"`{text_of(default)}`"
        values = allowed(field.annotation, tuple(field.metadata))
        rows.append([f"`{prefix}{name}`", shown, cell(values), cell(field.description or "")])
    return markdown(["key", "default", "values", "what it is"], rows)


def all_keys() -> str:
    """The tables of every section of the configuration."""
    parts = []
    for name, field in schema.Config.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, schema.Section)
        parts.append(f"### {name}\n\n{model.__doc__}\n\n{keys(model, f'{name}.')}")
    return "\n\n".join(parts)


def all_metrics() -> str:
    """The table of metrics; those at a level once."""
    level = metrics.LEVELS[0]
    rows = [
        [
            f"`{each.name.replace(f'_{level}', '_<level>')}`",
            each.unit,
            each.kind.replace("_", " "),
            each.title.replace(f"{level}%", "that"),
        ]
        for name, each in metrics.METRICS.items()
        if not name.startswith(metrics.AT_LEVEL) or name.endswith(f"_{level}")
    ]
    return markdown(["metric", "unit", "arms are compared by", "what it is"], rows)


def all_questions() -> str:
    """The table of shipped ablations."""
    loaded = [load_ablation(name) for name in shipped_ablations()]
    return markdown(
        ["ablation", "question", "claims"],
        [
            [f"[{each.name}](../ablations/{each.name}.yaml)", each.question, ", ".join(each.claims)]
            for each in loaded
        ],
    )


def commands() -> str:
    """Every command with its arguments and options, as typer knows them."""
    group: Any = typer.main.get_command(app)
    return "\n\n".join(described(*each) for each in visible(group, "alexbench"))


def visible(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Each command below a group by its full name, depth first."""
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from visible(command, f"{prefix} {name}")


def described(name: str, command: Any) -> str:
    """A command's section: what it does, and a table of its options."""
    rows = []
    for each in command.params:
        option = each.param_type_name == "option"
        names = [*each.opts, *each.secondary_opts] if option else [each.name.upper()]
        choices = f" {each.metavar}" if "|" in (each.metavar or "") else ""
        default = names[0] if each.default is True else each.default
        shown = "" if default in (None, [], (), False) or callable(default) else f"`{default}`"
        code = " ".join(f"`{part}`" for part in names) + cell(choices)
        rows.append([code, "required" if each.required else shown, cell(each.help or "")])
    table = markdown(["option", "default", "what it is"], rows)
    heading = "#" * (1 + name.count(" "))
    return f"{heading} {name}\n\n{(command.help or '').strip()}" + (f"\n\n{table}" if rows else "")


def findings() -> str:
    """The findings that the ablations' files hold, each with a link to its report."""
    parts = []
    for name, profile in FINDINGS:
        ablation = load_ablation(name, profile)
        found = ablation.finding_for(profile)
        assert found, f"{name} has no finding for {profile}"
        link = f"[report](results/{name}/{profile}/report.md)"
        parts.append(f"- **{ablation.title}** ({link}). {found.strip()}")
    return "\n".join(parts)


def make_run() -> str:
    """The end of what `make run` prints, from the committed records of the same runs."""
    ablation = load_ablation("lrn", "laptop")
    comparison = dict(build.read_tables(RESULTS)).get(RESULTS / "lrn" / "laptop")
    if comparison is None:
        sys.exit("results/lrn/laptop has no comparison of this alexbench: `make results` first")
    printed = io.StringIO()
    os.environ["COLUMNS"] = str(WIDTH)
    with contextlib.redirect_stdout(printed):
        print_comparison(comparison, ablation)
    lines = printed.getvalue().strip().splitlines()
    last = max(index for index, line in enumerate(lines) if not line)
    sentence = textwrap.wrap(" ".join(lines[last + 1 :]), WIDTH)
    shown = [*lines[:PRINTED_LINES], "...", *sentence]
    return "\n".join(["```text", *shown, "```"])


Part = Callable[[], str]
PAGES: dict[str, dict[str, Part]] = {
    "README.md": {"findings": findings, "make run": make_run},
    "docs/questions.md": {"questions": all_questions, "metrics": all_metrics},
    "docs/configuration.md": {
        "keys": all_keys,
        "ablation keys": lambda: keys(ablation_file.AblationFile, ""),
        "profile keys": lambda: keys(ablation_file.AblationPart, ""),
    },
    "docs/commands.md": {"commands": commands},
}


def pages() -> dict[Path, str]:
    """Each page's text with its generated parts as they should be."""
    filled = {
        ROOT / name: put_into(
            (ROOT / name).read_text(encoding="utf-8"),
            {part: make() for part, make in parts.items()},
            name,
        )
        for name, parts in PAGES.items()
    }
    results = ROOT / "docs" / "results.md"
    tables = build.page_tables(build.read_tables(RESULTS))
    return filled | {results: put_into(results.read_text(encoding="utf-8"), tables, results.name)}


def main() -> None:
    """Write the pages; with --check write nothing, and exit with 1 where one is stale."""
    stale = [path for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'stale' if '--check' in sys.argv else 'written'}: {path.relative_to(ROOT)}")
    if "--check" in sys.argv:
        sys.exit(bool(stale))
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
