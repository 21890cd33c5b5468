"""The commands that measure kernels and guard their throughput: parsing and printing only."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from alexbench.cli import Device, Results, print_rows
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
def throughput(threads: Cores = None, rounds: Rounds = 10) -> None:
    """Training of cifar4 against a bare loop and a textbook's, on the CPU."""
    from alexbench.bench.throughput import throughput as measure

    measured = measure(threads, rounds)
    print_rows(measured.arms, "Training cifar4 with LRN, batch 128, crops and mirror images")
    print_rows(measured.ratios, "Ratios a round")


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
    base: Annotated[str | None, typer.Option(help="A git revision to compare with.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="A stored run of this machine.")] = None,
    save: Annotated[Path | None, typer.Option(help="Store a run of this tree here.")] = None,
    device: Device = "auto",
    self_test: Annotated[
        bool, typer.Option("--self-test", help="The gate on itself: 10 slow and 20 equal heads.")
    ] = False,
    busy: Annotated[int, typer.Option(min=0, help="Busy processes beside a self-test.")] = 0,
    rounds: Rounds = 40,
    allow_dirty: Annotated[bool, typer.Option(help="Compare uncommitted changes.")] = False,
) -> None:
    """Has throughput regressed? Status 1 for a regression, 0 for pass and inconclusive."""
    if sum(map(bool, (base, baseline, save, self_test))) != 1:
        raise BadInput("gate: give one of --base, --baseline, --save and --self-test")
    if busy and not self_test:
        raise BadInput("gate: --busy goes with --self-test alone")
    if allow_dirty and not base:
        raise BadInput("gate: --allow-dirty goes with --base alone")
    from alexbench.bench import baseline as stored
    from alexbench.bench import self_test as itself
    from alexbench.bench.gate import gate as compare

    if self_test:
        table = itself.self_test(device=device, rounds=rounds, busy=busy)
        print_rows(table, "Of the slowed heads all should fail, of the equal ones none")
        itself.raise_for_errors(table)
    elif save:
        typer.echo(stored.save_baseline(save, device, rounds))
    elif baseline:
        print_rows(stored.against_baseline(baseline, device, rounds), f"Against {baseline}")
    elif base:
        report = compare(base, device, rounds, allow_dirty=allow_dirty)
        print_rows(report.timings, f"Against {base}")
        print_counters(report.counters)
        for line in report.lines():
            typer.echo(line)
        report.raise_for_failures()


def print_counters(counters: pd.DataFrame) -> None:
    if len(counters):
        print_rows(counters, "Counters that differ")
