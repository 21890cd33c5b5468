"""The commands that measure kernels and compare their throughput with an earlier revision's."""

from typing import Annotated

import pandas as pd
import typer

from alexbench.cli.app import Device, Results, print_rows
from alexbench.errors import BadInput

Cores = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")]
Rounds = Annotated[int, typer.Option(min=5, help="Timings of each arm; the arms take turns.")]

bench = typer.Typer(
    invoke_without_command=True, help="Measure all kernels, or with a subcommand one comparison."
)


@bench.callback()
def suite(
    context: typer.Context,
    device: Device = "auto",
    results: Results = "results",
    threads: Cores = None,
    rounds: Rounds = 10,
    select: Annotated[
        str | None, typer.Option(help="Measure only benchmarks that match, as for pytest -k.")
    ] = None,
) -> None:
    """Measure every shape and arm of benchmarks/; writes a table and a roofline figure."""
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
    memory_format: Annotated[
        str, typer.Option(help="Memory format of the images: channels_last or nchw.")
    ] = "channels_last",
    compiled: Annotated[
        bool, typer.Option(help="Also measure torch.compile, which takes long to start.")
    ] = False,
) -> None:
    """Measure every implementation of LRN beside torch's own and beside a copy of the images."""
    from alexbench.bench.lrn import lrn_table

    table = lrn_table(device, threads, rounds, memory_format, compiled)
    print_rows(table, "Local response normalization, forward + backward")


def gate(
    base: Annotated[str, typer.Option(help="The git revision to compare with, e.g. HEAD~1.")],
    device: Device = "auto",
    rounds: Rounds = 40,
    allow_dirty: Annotated[
        bool, typer.Option(help="Accept uncommitted changes in this tree.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option(help="Accept cases that the base cannot run.")
    ] = False,
) -> None:
    """Compare this tree's throughput with a git revision's. Exit status 1 for a regression."""
    from alexbench.bench.gate.gate import gate as compare

    report = compare(base, device, rounds, allow_dirty=allow_dirty, allow_missing=allow_missing)
    print_rows(report.timings, f"Against {base}")
    print_counters(report.counters)
    for line in report.lines():
        typer.echo(line)
    report.raise_for_failures()


def print_counters(counters: pd.DataFrame) -> None:
    """Print the counters, if any differ."""
    if len(counters):
        print_rows(counters, "Counters that differ")
