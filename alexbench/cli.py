"""The commands: parsing and printing only; what they do is elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from alexbench import config

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own.",
)

Name = Annotated[
    str, typer.Argument(help="An ablation: a YAML file, or the name of a shipped one.")
]
Profile = Annotated[str, typer.Option(help=f"The scale: {', '.join(config.PROFILES)}.")]
Seeds = Annotated[int | None, typer.Option(min=1, help="Runs of each variant.")]
Set = Annotated[
    list[str], typer.Option("--set", help="key=value over every layer, e.g. train.epochs=1.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<index>.")]
DataRoot = Annotated[str | None, typer.Option(help="Where the images are.")]
Results = Annotated[str, typer.Option(help="Where records and tables go.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: as fit.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads of each job.")]


@app.command()
def run(
    ablation: Name,
    profile: Profile = "laptop",
    seeds: Seeds = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    device: Device = "auto",
    data_root: DataRoot = None,
    results: Results = "results",
    jobs: Jobs = None,
    threads: Threads = 1,
) -> None:
    """Train what is not trained yet, and print the comparison with the paper."""
    from alexbench import sweep

    prepared = sweep.prepare(
        ablation, profile, seeds, set_, device, data_root, results, jobs, threads
    )
    comparison = sweep.carry_out(prepared)
    print_comparison(comparison, prepared.ablation.title)
    typer.echo(f"Tables, curves and records are in {prepared.folder}")


@app.command()
def plan(
    ablation: Name,
    profile: Profile = "laptop",
    seeds: Seeds = None,
    set_: Set = [],  # noqa: B006
    device: Device = "auto",
    data_root: DataRoot = None,
    results: Results = "results",
    jobs: Jobs = None,
    threads: Threads = 1,
) -> None:
    """Say what would be trained, how large it is and how long it takes; trains nothing."""
    from alexbench import estimate, sweep

    prepared = sweep.prepare(
        ablation, profile, seeds, set_, device, data_root, results, jobs, threads
    )
    rows = estimate.rows(prepared)
    print_rows(rows, prepared.ablation.title)
    typer.echo(estimate.total(rows, prepared))


@app.command(name="list")
def list_() -> None:
    """The shipped ablations, with their questions and claims."""
    rows = [config.load(name) for name in config.shipped()]
    columns = ["ablation", "question", "claims"]
    table = [[row.name, row.question, ", ".join(row.claims)] for row in rows]
    print_rows(pd.DataFrame(table, columns=columns), "Ablations")


@app.command()
def report(
    names: Annotated[list[str], typer.Argument(help="Ablations; default: all with records.")] = [],  # noqa: B006
    results: Results = "results",
) -> None:
    """Make the tables and figures again from the records alone; needs no torch."""
    from alexbench import report as reports

    for name in names or sorted(path.name for path in Path(results).glob("*") if path.is_dir()):
        stem = Path(name).stem
        for folder in sorted(Path(results, stem).glob("*/runs")):
            label = folder.parent.name
            loaded = config.load(name, label.partition(",")[0])
            for path in reports.write(loaded, label, folder.parent, warn):
                typer.echo(path)


def warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)


def print_comparison(comparison: pd.DataFrame, title: str) -> None:
    from alexbench import report as reports

    print_rows(reports.headline(comparison), title)


def print_rows(frame: pd.DataFrame, title: str) -> None:
    """A frame as a table on the terminal."""
    table = Table(title=title, title_justify="left")
    for column in frame.columns:
        table.add_column(str(column), justify=justify(frame[column]))
    for row in frame.itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def justify(values: Sequence[object]) -> str:
    return "left"
