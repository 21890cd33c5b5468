"""The commands that measure kernels and guard their throughput: parsing and printing only."""

from typing import Annotated

import pandas as pd
import typer

from alexbench.cli.app import Device, Results, print_rows
from alexbench.errors import BadInput

Cores = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")]
Rounds = Annotated[int, typer.Option(min=5, help="Each arm is timed so often, interleaved.")]

bench = typer.Typer(
    invoke_without_command=True, help="Measure kernels: all of them, or one comparison."
)


@bench.callback()
def suite(
    context: typer.Context,
    device: Device = "auto",
    results: Results = "results",
    threads: Cores = None,
    rounds: Rounds = 10,
    select: Annotated[str | None, typer.Option(help="Only these, as for pytest -k.")] = None,
) -> None:
    """Every shape and arm of benchmarks/, with a table and a roofline figure."""
    if chosen := context.invoked_subcommand:
        for name in context.params:
            source = context.get_parameter_source(name)
            if source and source.name == "COMMANDLINE":
                raise BadInput(f"bench: --{name} goes behind {chosen}, if {chosen} knows it")
        return
    from alexbench.bench.suite import run_suite

    for path in run_suite(device, results, threads, rounds, select):
        typer.echo(path)


@bench.command()
def lrn(
    device: Device = "auto",
    threads: Cores = None,
    rounds: Rounds = 15,
    memory_format: Annotated[str, typer.Option(help="channels_last or nchw.")] = "channels_last",
    compiled: Annotated[bool, typer.Option(help="torch.compile as well: slow to start.")] = False,
) -> None:
    """Every implementation of LRN against torch's and against a copy."""
    from alexbench.bench.lrn import lrn_table

    table = lrn_table(device, threads, rounds, memory_format, compiled)
    print_rows(table, "Local response normalization, forward + backward")


def gate(
    base: Annotated[str, typer.Option(help="The git revision to compare with.")],
    device: Device = "auto",
    rounds: Rounds = 40,
    allow_dirty: Annotated[bool, typer.Option(help="Compare uncommitted changes.")] = False,
) -> None:
    """Compare this tree's throughput with a git revision's. Status 1 for a regression, else 0."""
    from alexbench.bench.gate.gate import gate as compare

    report = compare(base, device, rounds, allow_dirty=allow_dirty)
    print_rows(report.timings, f"Against {base}")
    print_counters(report.counters)
    for line in report.lines():
        typer.echo(line)
    report.raise_for_failures()


def print_counters(counters: pd.DataFrame) -> None:
    if len(counters):
        print_rows(counters, "Counters that differ")
