"""The commands: parsing and printing only; what they do is elsewhere."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from alexbench.analysis.comparison import ComparisonRow
from alexbench.config.ablation import PROFILES, load_ablation, shipped_ablations
from alexbench.config.execution import RunOptions
from alexbench.errors import BadInput

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own.",
)

Name = Annotated[
    str, typer.Argument(help="An ablation: a YAML file, or the name of a shipped one.")
]
Profile = Annotated[str, typer.Option(help=f"The scale: {', '.join(PROFILES)}.")]
Seeds = Annotated[int | None, typer.Option(min=1, help="Runs of each variant.")]
Set = Annotated[
    list[str], typer.Option("--set", help="key=value over every layer, e.g. train.epochs=1.")
]
Device = Annotated[
    str,
    typer.Option(
        "--device", "--devices", help="auto, cpu, cuda, cuda:<index>, or several: cuda:0,cuda:1."
    ),
]
DataRoot = Annotated[str | None, typer.Option(help="Where the images are.")]
Results = Annotated[str, typer.Option(help="Where records and tables go.")]
Jobs = Annotated[str, typer.Option(help="Runs at a time; auto: as the cores or GPUs allow.")]
HOW = RunOptions()  # the defaults
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of each job.")]


@app.command()
def run(
    ablation: Name,
    profile: Profile = "laptop",
    seeds: Seeds = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    device: Device = "auto",
    data_root: DataRoot = None,
    results: Results = "results",
    jobs: Jobs = "auto",
    threads: Threads = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Between two checkpoints of a run.")
    ] = HOW.checkpoint_seconds,
    hang_seconds: Annotated[
        float, typer.Option(min=1, help="Without a step, after which a run is killed, and failed.")
    ] = HOW.hang_seconds,
    on_error: Annotated[
        str, typer.Option(help="When a run failed: keep going, or stop.")
    ] = HOW.on_error,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also runs that failed when last tried.")
    ] = False,
    reuse: Annotated[
        bool, typer.Option(help="Copy runs that another folder of the results has.")
    ] = HOW.reuse,
    launcher: Annotated[str, typer.Option(help="local, ray or slurm.")] = HOW.launcher,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster; default: this machine.")
    ] = None,
    slurm: Annotated[
        list[str], typer.Option(help="key=value of submitit, e.g. slurm_partition=gpu.")
    ] = [],  # noqa: B006
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write curves for TensorBoard.")
    ] = False,
) -> None:
    """Train what is not trained yet, and print the comparison with the paper."""
    from alexbench.launch import sweep

    prepared = sweep.prepare(
        ablation,
        profile,
        seeds,
        set_,
        device,
        data_root,
        results,
        number_of(jobs),
        threads,
        checkpoint_seconds=checkpoint_seconds,
        hang_seconds=hang_seconds,
        on_error=on_error,
        retry_failed=retry_failed,
        reuse=reuse,
        launcher=launcher,
        address=address,
        slurm=slurm,
        tensorboard=tensorboard,
    )
    comparison = sweep.carry_out(prepared)
    print_comparison(comparison, prepared.ablation.metrics[0], prepared.ablation.title)
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
    jobs: Jobs = "auto",
    threads: Threads = None,
) -> None:
    """Say what would be trained, how large it is and how long it takes; trains nothing."""
    from alexbench.launch import estimate, sweep

    prepared = sweep.prepare(
        ablation, profile, seeds, set_, device, data_root, results, number_of(jobs), threads
    )
    settled, to_tune = estimate.settled(prepared)
    found = estimate.done_and_not(prepared, settled)
    rows = estimate.rows(prepared, settled, found)
    print_rows(estimate.readable(rows), settled.title)
    for line in estimate.seeds_to_settle(settled, found):
        typer.echo(line)
    typer.echo(estimate.total(rows, to_tune, prepared))


def number_of(jobs: str) -> int | None:
    """None for auto."""
    if jobs == "auto":
        return None
    if not jobs.isdecimal():
        raise BadInput(f"--jobs {jobs}: allowed are auto and whole numbers")
    return int(jobs)


def positive(option: typer.CallbackParam, value: float) -> float:
    if not 0 < value < math.inf:
        raise BadInput(f"--{option.name} {value:g}: should be a finite number above 0")
    return value


@app.command()
def scale(
    tflops: Annotated[
        float, typer.Option(help="10^12 FLOPs a second that a device reaches.", callback=positive)
    ],
    link: Annotated[
        float, typer.Option(help="10^9 bytes a second that a device sends.", callback=positive)
    ],
    loader: Annotated[
        float, typer.Option(help="Images a second that all hosts decode.", callback=positive)
    ],
    batch: Annotated[int, typer.Option(min=1, help="Images, over all devices.")] = 128,
) -> None:
    """Predict what an epoch of ImageNet costs the paper's net on 1 to 8 devices: a lower bound."""
    from alexbench.parallel import cost

    machine = cost.Machine(tflops * 1e12, link * 1e9, loader)
    rows = cost.predictions(machine, batch, images=1_281_167)
    frame = pd.DataFrame(rows).map(lambda cell: f"{cell:.3g}" if isinstance(cell, float) else cell)
    print_rows(frame, f"A step of {batch} images, and an epoch of 1,281,167")


@app.command(name="list")
def list_() -> None:
    """The shipped ablations, with their questions and claims."""
    rows = [load_ablation(name) for name in shipped_ablations()]
    columns = ["ablation", "question", "claims"]
    table = [[row.name, row.question, ", ".join(row.claims)] for row in rows]
    print_rows(pd.DataFrame(table, columns=columns), "Ablations")


@app.command()
def report(
    names: Annotated[list[str], typer.Argument(help="Ablations; default: all with records.")] = [],  # noqa: B006
    results: Results = "results",
    format_: Annotated[
        list[str], typer.Option("--format", help="csv, markdown, latex or html; default: all.")
    ] = [],  # noqa: B006
) -> None:
    """Make the tables and figures again from the records alone, those of `bench` too; no torch."""
    from alexbench.report.rebuild import again

    for path in again(Path(results), names, format_, warn):
        typer.echo(path)


@app.command()
def claims(
    results: Results = "results",
    readme: Annotated[
        str | None, typer.Option(help="A page whose tables are replaced; default: print them.")
    ] = None,
) -> None:
    """Every claim with its source, file, measurements and verdicts; then cifar10-short alone."""
    from alexbench.report import build
    from alexbench.report.readme_claims import put_into
    from alexbench.runs.files import write_text_safely

    tables = build.readme_tables(Path(results))
    if readme is None:
        typer.echo("\n\n".join(tables.values()))
        return
    path = Path(readme)
    if not path.is_file():
        raise BadInput(f"--readme {readme}: no such file")
    text = put_into(path.read_text(encoding="utf-8"), tables, readme)
    write_text_safely(text, path)
    typer.echo(path)


def warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)


def print_comparison(comparison: Sequence[ComparisonRow], first_metric: str, title: str) -> None:
    """The rows of claims, and of the first metric for every variant; the rest is in report.md."""
    from alexbench.report import build

    shown = [row for row in comparison if row.claim or row.metric == first_metric]
    texts = build.headline(shown)
    print_rows(pd.DataFrame(texts.rows, columns=texts.columns), title)


def print_rows(frame: pd.DataFrame, title: str) -> None:
    """A frame as plain text that neither wraps nor cuts a cell."""
    typer.echo(f"\n{title}\n\n{frame.to_markdown(index=False, tablefmt='simple')}\n")
