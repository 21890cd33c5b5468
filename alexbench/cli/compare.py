"""The command that compares results of two folders, or values from a CSV file."""

from pathlib import Path
from typing import Annotated

import typer

from alexbench.cli.app import print_table
from alexbench.errors import BadInput


def compare(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="A [B]",
            help="Two folders of results, or one or two CSV files (arm, seed, value, metric).",
        ),
    ],
    baseline: Annotated[
        str | None, typer.Option(help="The arm of CSV files to compare with; default: the first.")
    ] = None,
    claimed: Annotated[
        float | None, typer.Option(help="A claimed delta (or ratio): rows get a verdict on it.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Compare each arm of CSV files with this number.")
    ] = None,
    ratio: Annotated[
        bool, typer.Option("--ratio", help="Compare values of CSV files by their ratio.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table.")
    ] = False,
) -> None:
    """Compare folders of results, or arms in CSV files, paired by seed."""
    from alexbench.report import compare as comparing

    if as_json and as_markdown:
        raise BadInput("compare: --json or --markdown, not both")
    rows = comparing.compare(
        [Path(each) for each in places], baseline, ratio=ratio, target=target, claimed=claimed
    )
    if as_json:
        typer.echo(comparing.to_json(rows))
    elif as_markdown:
        typer.echo(comparing.to_markdown(rows))
    else:
        table = comparing.readable(rows)
        print_table(table.columns, table.rows, "Variant against baseline")
