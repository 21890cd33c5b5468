"""The commands that measure kernels and compare their throughput with an earlier revision's."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexbench.cli.app import AsJson, OneDevice, Results, given, print_json, print_rows
from alexbench.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

Cores = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")]
Rounds = Annotated[int, typer.Option(min=5, help="Timings of each arm.")]

bench = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Measure all kernels, or with a subcommand one comparison.",
)


@bench.callback()
def suite(
    context: typer.Context,
    device: OneDevice = "auto",
    results: Results = "results",
    threads: Cores = None,
    rounds: Rounds = 10,
    select: Annotated[
        str | None, typer.Option(help="Measure only benchmarks that match, as for pytest -k.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1, help="Begin no benchmark later than that; LRN, steps and nets come first."
        ),
    ] = None,
) -> None:
    """Measure every shape and arm of benchmarks/; writes a table and a roofline figure."""
    if chosen := context.invoked_subcommand:
        if before := given(context):
            raise BadInput(f"bench: --{before[0]} goes behind {chosen}, if {chosen} knows it")
        return
    from alexbench.bench.suite import run_suite

    for path in run_suite(device, results, threads, rounds, select, seconds):
        typer.echo(path)


@bench.command()
def lrn(
    device: OneDevice = "auto",
    threads: Cores = None,
    rounds: Rounds = 15,
    memory_format: Annotated[
        str, typer.Option(metavar="channels_last|nchw", help="Memory format of the images.")
    ] = "channels_last",
    compiled: Annotated[
        bool, typer.Option(help="Also measure torch.compile, which takes long to start.")
    ] = False,
    precision: Annotated[
        str,
        typer.Option(
            metavar="ieee|bf16", help="Data type of the images: float32, or on CUDA bfloat16."
        ),
    ] = "ieee",
    csv: Annotated[
        Path | None, typer.Option(help="A file for the rows, written after each shape.")
    ] = None,
) -> None:
    """Measure every implementation of LRN beside torch's own and beside a copy of the images."""
    import pandas as pd

    from alexbench.bench.lrn import lrn_tables
    from alexbench.runs.files import write_text_safely

    if csv and not csv.parent.is_dir():
        raise BadInput(f"--csv {csv}: there is no folder {csv.parent}")
    if csv and csv.exists() and not csv.is_file():
        raise BadInput(f"--csv {csv}: is no file")
    measured = []
    for table in lrn_tables(device, threads, rounds, memory_format, compiled, precision):
        print_rows(table, "Local response normalization, forward + backward")
        measured.append(table)
        if csv:
            write_text_safely(pd.concat(measured).to_csv(index=False), csv)


def gate(
    base: Annotated[
        str, typer.Option(help="The git revision to compare with, e.g. HEAD~1, or a tree.")
    ],
    device: OneDevice = "auto",
    rounds: Rounds = 40,
    cases: Annotated[
        str | None, typer.Option(help="Compare only these cases, with commas; default: all.")
    ] = None,
    allow_dirty: Annotated[
        bool, typer.Option(help="Accept uncommitted changes in this tree.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option(help="Accept cases that the base cannot run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare this tree's throughput with a git revision's. Exit status 1 for a regression."""
    from alexbench.bench.gate.gate import CASES
    from alexbench.bench.gate.gate import gate as compare

    chosen = CASES if cases is None else tuple(cases.split(","))
    report = compare(base, device, rounds, chosen, allow_dirty, allow_missing)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):  # of the job, in GitHub's workflows
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(gate_markdown(report.timings, report.counters, base, report.lines()))
    if as_json:
        tables = {"timings": report.timings, "counters": report.counters}
        told = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
        print_json({"base": base, **told, "lines": report.lines()})
    else:
        print_rows(report.timings, f"Against {base}")
        print_counters(report.counters)
        for line in report.lines():
            typer.echo(line)
    report.raise_for_failures()


def gate_markdown(
    timings: "pd.DataFrame", counters: "pd.DataFrame", base: str, lines: Sequence[str]
) -> str:
    """The report of the gate in Markdown."""
    parts = [f"### Throughput against `{base}`", timings.to_markdown(index=False, floatfmt=".3f")]
    if len(counters):
        parts += ["Counters that differ:", counters.to_markdown(index=False)]
    return "\n\n".join([*parts, *lines]) + "\n"


def print_counters(counters: "pd.DataFrame") -> None:
    """Print the counters, if any differ."""
    if len(counters):
        print_rows(counters, "Counters that differ")
