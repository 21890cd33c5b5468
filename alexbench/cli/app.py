"""The commands about ablations: each parses its arguments, calls one function, and prints."""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from alexbench.config.shipped import PROFILES, REGIMES, outlines, shipped_ablations
from alexbench.errors import BadInput, RunFailed, one_line, printable, shown

if TYPE_CHECKING:  # what takes time to load is loaded by the command that needs it
    import pandas as pd

    from alexbench.analysis.comparison import ComparisonRow
    from alexbench.config.ablation import Ablation


class Group(TyperGroup):
    """A group of commands that loads no pydantic for its own flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, those of help and completion too."""
        return with_defaults(super().get_params(ctx))


class QuickCommand(TyperCommand):
    """A command of flags alone that loads no pydantic for them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, that of help too."""
        return with_defaults(super().get_params(ctx))


def with_defaults(parameters: list[Any]) -> list[Any]:
    """The parameters, where a flag without a default gets False: typer loads pydantic for None."""
    for each in parameters:
        if getattr(each, "is_flag", False):
            each.default = each.default or False
    return parameters


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # loading rich takes as long as all else of --help
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own.",
)

MOST = 1_000_000_000  # of what `scale` is given: beyond every machine
SCALES = [*PROFILES, *(f"{scale}-{regime}" for scale in PROFILES for regime in REGIMES)]
Name = Annotated[
    str,
    typer.Argument(
        help="An ablation: a shipped name, or a YAML file.", autocompletion=shipped_ablations
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(
        help="Ablations: shipped names, or YAML files.", autocompletion=shipped_ablations
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        metavar="|".join(PROFILES),
        help=f"The scale; -{' or -'.join(REGIMES)} behind it names another regime.",
        autocompletion=lambda: SCALES,
    ),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Runs of each variant.")]
Set = Annotated[
    list[str], typer.Option("--set", help="key=value for every variant, e.g. train.epochs=1.")
]
Device = Annotated[
    str,
    typer.Option(
        "--device", "--devices", help="auto, cpu, cuda, cuda:<index>, or several: cuda:0,cuda:1."
    ),
]
OneDevice = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:<index>.")]
DataRoot = Annotated[str | None, typer.Option(help="The folder of the images.")]
Results = Annotated[str, typer.Option(help="The folder of records and tables.")]
Jobs = Annotated[
    str, typer.Option(help="Runs at one time: auto (as cores or GPUs allow) or 1, 2, ...")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of each job.")]


def print_version(wanted: bool) -> None:
    """Print alexbench's version and leave."""
    if wanted:
        import importlib.metadata

        typer.echo(f"alexbench {importlib.metadata.version('alexbench')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options of no command."""


@app.command()
def run(
    ablations: Names,
    profile: Profile = "laptop",
    seeds: Seeds = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    device: Device = "auto",
    data_root: DataRoot = None,
    results: Results = "results",
    jobs: Jobs = "auto",
    threads: Threads = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints of a run.")
    ] = 120.0,
    hang_seconds: Annotated[
        float, typer.Option(min=1, help="Kill a run without a step for so many seconds: it failed.")
    ] = 600.0,
    on_error: Annotated[
        str,
        typer.Option(
            metavar="keep|stop", help="After a failed run: keep training the others, or stop."
        ),
    ] = "keep",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train runs again that failed before.")
    ] = False,
    reuse: Annotated[
        bool, typer.Option(help="Copy finished runs from the results of other ablations.")
    ] = True,
    launcher: Annotated[
        str, typer.Option(metavar="local|ray|slurm", help="Where runs are trained.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster; default: this machine.")
    ] = None,
    slurm: Annotated[
        list[str], typer.Option(help="key=value for submitit, e.g. slurm_partition=gpu.")
    ] = [],  # noqa: B006
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write curves for TensorBoard.")
    ] = False,
    tracker: Annotated[
        str | None,
        typer.Option(metavar="wandb|trackio", help="Write runs of wandb or trackio, offline."),
    ] = None,
) -> None:
    """Train the missing runs of ablations; compare each with the paper."""
    from alexbench.config.execution import execution
    from alexbench.config.load import load_ablation
    from alexbench.launch import sweep
    from alexbench.report.csv_files import evaluation_percent

    how = execution(
        checkpoint_seconds=checkpoint_seconds,
        hang_seconds=hang_seconds,
        on_error=on_error,
        retry_failed=retry_failed,
        reuse=reuse,
        launcher=launcher,
        address=address,
        slurm=slurm,
        tensorboard=tensorboard,
        tracker=tracker,
    )
    options = sweep.SweepOptions(
        seeds, set_, device, data_root, results, number_of(jobs), threads, how
    )
    for name in ablations[1:]:
        load_ablation(name, profile, seeds, set_)  # all that can be refused, before one trains
    failed = []
    for name in ablations:
        prepared = sweep.prepare(name, profile, options)
        try:
            result = sweep.carry_out(prepared)
        except RunFailed as error:
            failed.append(str(error))
            continue
        print_comparison(result.rows, prepared.ablation)
        if finding := prepared.ablation.finding_for(prepared.folder.name):
            typer.echo(f"Found in the records that ship with alexbench: {finding}\n")
        share = evaluation_percent(result.records)
        typer.echo(f"Evaluation took {share:.0f}% of the time of the runs")
        typer.echo(f"Tables, curves and records are in {prepared.folder}")
    if failed:
        raise RunFailed("; ".join(failed))


@app.command()
def plan(
    ablation: Name,
    profile: Profile = "laptop",
    seeds: Seeds = None,
    set_: Set = [],  # noqa: B006
    device: Device = "auto",
    data_root: DataRoot = None,
    results: Results = "results",
    jobs: Jobs = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Print an ablation's runs: state, size and time; train nothing."""
    from alexbench.launch import estimate, sweep

    options = sweep.SweepOptions(seeds, set_, device, data_root, results, number_of(jobs), threads)
    with contextlib.redirect_stdout(sys.stderr):  # what an own part prints is no part of the plan
        prepared = sweep.prepare(ablation, profile, options)
        settled, to_tune = estimate.settled(prepared)
        found = estimate.done_and_not(prepared, settled)
        rows = estimate.rows(prepared, settled, found)
    if as_json:
        runs = json.loads(rows.to_json(orient="records"))
        print_json(
            {"ablation": settled.name, "profile": settled.profile, "to_tune": to_tune}
            | {"runs": runs}
        )
        return
    print_rows(estimate.readable(rows), settled.title)
    for line in estimate.seeds_to_settle(settled, found):
        typer.echo(line)
    typer.echo(estimate.total(rows, to_tune, prepared))


def number_of(jobs: str) -> int | None:
    """The number that ``--jobs`` says; None for auto. Raises BadInput."""
    if jobs == "auto":
        return None
    if not jobs.isdecimal() or len(jobs) > 9:
        raise BadInput(f"--jobs {shown(jobs)}: allowed are auto and whole numbers")
    return int(jobs)


def possible(option: typer.CallbackParam, value: float) -> float:
    """The value of an option. Raises BadInput for what no machine has."""
    if not 1 / MOST <= value <= MOST:
        raise BadInput(f"--{option.name} {value:g}: should be {1 / MOST:g} to {MOST:g}")
    return value


@app.command()
def scale(
    tflops: Annotated[
        float, typer.Option(help="Speed of a device, in 10^12 FLOP a second.", callback=possible)
    ],
    link: Annotated[
        float,
        typer.Option(help="Bandwidth between devices, in 10^9 bytes a second.", callback=possible),
    ],
    loader: Annotated[
        float,
        typer.Option(help="Images a second that all hosts decode together.", callback=possible),
    ],
    batch: Annotated[
        int, typer.Option(min=1, max=MOST, help="Images in a batch, over all devices.")
    ] = 128,
) -> None:
    """Predict the time of an ImageNet epoch on 1 to 8 devices.

    It is a lower bound, for the paper's net.
    """
    import pandas as pd

    from alexbench.parallel import cost

    machine = cost.Machine(tflops * 1e12, link * 1e9, loader)
    rows = cost.predictions(machine, batch, images=1_281_167)
    frame = pd.DataFrame(rows).map(lambda cell: f"{cell:.3g}" if isinstance(cell, float) else cell)
    print_rows(frame, f"A step of {batch} images, and an epoch of 1,281,167")


@app.command(name="list", cls=QuickCommand)
def list_(as_json: AsJson = False) -> None:
    """Print the shipped ablations with their questions and claims."""
    if as_json:
        from alexbench.config.load import load_ablation

        rows = [load_ablation(name) for name in shipped_ablations()]
        print_json(
            [
                {
                    "ablation": row.name,
                    "file": row.file,
                    "title": row.title,
                    "question": row.question,
                    "claims": list(row.claims),
                    "variants": list(row.every_variant),
                    "metrics": list(row.metrics),
                }
                for row in rows
            ]
        )
        return
    cells = [[each.name, each.question, ", ".join(each.claims)] for each in outlines()]
    print_table(["ablation", "question", "claims"], cells, "Ablations")


@app.command()
def report(
    names: Annotated[
        list[str],
        typer.Argument(help="Ablations, or folders of records (lrn, results/lrn/laptop)."),
    ] = [],  # noqa: B006
    profile: Annotated[
        str | None, typer.Option(help="Only the records of this profile; default: of all.")
    ] = None,
    results: Results = "results",
    format_: Annotated[
        list[str],
        typer.Option(
            "--format",
            metavar="csv|markdown|latex|html",
            help="May be repeated; default: all.",
        ),
    ] = [],  # noqa: B006
) -> None:
    """Rebuild tables and figures from records, those of `bench` too."""
    from alexbench.report.rebuild import again

    for path in again(
        Path(results), names, profile, format_, warn, lambda line: say(line, err=True)
    ):
        typer.echo(path)


@app.command()
def claims(
    names: Annotated[
        list[str],
        typer.Argument(help="Claims or ablations, each with all that was measured of it."),
    ] = [],  # noqa: B006
    profile: Annotated[
        str | None, typer.Option(help="Only what was measured under this profile.")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print JSON: an object a row, with every column.")
    ] = False,
    results: Results = "results",
    page: Annotated[
        str | None, typer.Option(help="A Markdown file whose tables of claims are replaced.")
    ] = None,
) -> None:
    """Print the scorecard: each claim's verdict on its strongest data."""
    from alexbench.report import build, scorecard, terminal
    from alexbench.report.results_page import put_into
    from alexbench.runs.files import reason, write_text_safely

    if page is not None and (names or profile is not None or json_):
        raise BadInput("--page has all claims: it takes no names, no --profile and no --json")
    found = build.read_tables(Path(results), warn)
    if not found and not names:
        raise BadInput(f"{results}: no results here; --results names the folder that holds them")
    if page is not None:
        path = Path(page)
        if not path.is_file():
            raise BadInput(f"--page {page}: no such file")
        tables = build.page_tables(found, warn)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"--page {page}: cannot be read ({reason(error)})") from None
        write_text_safely(put_into(text, tables, page), path)
        typer.echo(path)
        return
    card, lines = scorecard.asked(found, names, profile)
    if json_:
        typer.echo(json.dumps([scorecard.as_json(line) for line in lines], indent=1))
        return
    say(f"\n{scorecard.tally(lines, card.cost if card else None)}\n")
    say(terminal.table(scorecard.readable(lines), terminal.width()))
    for note in scorecard.notes(card) if card else []:
        say(f"\n{note}")


def given(context: typer.Context) -> list[str]:
    """The parameters of a command that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def print_json(content: object) -> None:
    """Print JSON."""
    typer.echo(json.dumps(content, indent=1, allow_nan=False))


def warn(line: str) -> None:
    """Print a warning to stderr."""
    typer.echo(f"warning: {one_line(line)}", err=True)


def say(text: str = "", err: bool = False) -> None:
    """Print text whose colours only a terminal gets, and none where NO_COLOR is set."""
    typer.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def print_comparison(comparison: Sequence["ComparisonRow"], ablation: "Ablation") -> None:
    """Print the rows of claims, the first metric of every variant, and the result in a sentence.

    report.md has all rows.
    """
    from alexbench.report import build, terminal

    shown = [row for row in comparison if row.claim or row.metric == ablation.metrics[0]]
    texts = build.headline(shown)
    say(f"\n{ablation.title}\n\n{terminal.table(texts, terminal.width())}\n")
    arms = terminal.about(dict(ablation.labels), dict(ablation.about), list(ablation.variants))
    for part in filter(None, (arms, terminal.result(comparison))):
        say(f"{part}\n")


def print_rows(frame: "pd.DataFrame", title: str) -> None:
    """Print a frame as plain text that neither wraps nor cuts a cell."""
    import pandas as pd

    numbers = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    shown = frame.map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    table = shown.to_markdown(
        index=False,
        tablefmt="simple",
        disable_numparse=[index for index, is_number in enumerate(numbers) if not is_number],
    )
    typer.echo(f"\n{printable(title)}\n\n{table}\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print rows of texts as plain text that neither wraps nor cuts a cell."""
    texts = [list(columns), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*texts, strict=True)]
    texts.insert(1, ["-" * width for width in widths])
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in texts]
    typer.echo(f"\n{printable(title)}\n\n" + "\n".join(lines) + "\n")
