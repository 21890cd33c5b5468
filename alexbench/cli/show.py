"""The command that explains an ablation: its file, what it trains, and what each setting means."""

import json
from pathlib import Path
from typing import Annotated

import typer

from alexbench.cli.app import Profile, Set, given
from alexbench.errors import BadInput


def show(
    context: typer.Context,
    ablation: Annotated[
        str | None, typer.Argument(help="An ablation: a shipped name, or a YAML file.")
    ] = None,
    profile: Profile = "laptop",
    set_: Set = [],  # noqa: B006 - typer copies it
    variant: Annotated[str | None, typer.Option(help="Show the settings of this variant.")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of ablation files, for editors.")
    ] = False,
) -> None:
    """Print an ablation's file, its settings, and what each one means."""
    from alexbench.config import describe
    from alexbench.config.load import load_ablation
    from alexbench.config.names import refuse, unknown

    if schema:
        if set(given(context)) != {"schema"}:
            raise BadInput("show: --schema is of every ablation: it takes no other argument")
        typer.echo(json.dumps(describe.json_schema(), indent=1, ensure_ascii=False))
        return
    if ablation is None:
        raise BadInput("show: needs an ablation, or --schema; `alexbench list` names the shipped")
    loaded = load_ablation(ablation, profile, settings=set_)
    if variant is not None:
        refuse([unknown(f"{loaded.file}: --variant", variant, loaded.variants)])
    typer.echo(f"{loaded.file}\n\n{Path(loaded.file).read_text(encoding='utf-8')}")
    for line in describe.lines(loaded, variant):
        typer.echo(line)
