"""The commands about images: parsing and printing only."""

from pathlib import Path
from typing import Annotated

import typer

from alexbench.cli.app import DataRoot, Device, Profile, Set, Threads, print_rows
from alexbench.config.ablation import load_profile
from alexbench.config.overrides import Layer, parse_settings, resolve
from alexbench.config.schema import Config
from alexbench.errors import BadInput

data = typer.Typer(no_args_is_help=True, help="Decode images once; measure how fast they come.")


@data.command()
def cache(
    data_root: DataRoot = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    threads: Threads = None,
    verify: Annotated[bool, typer.Option(help="Check what is there by its checksums.")] = False,
) -> None:
    """Decode and resize every image of an image folder once, for all later runs."""
    from alexbench.config.paths import cache_folder
    from alexbench.data.imagefolder import keep_decoded
    from alexbench.launch.slots import use_threads

    if data_root is None:
        raise BadInput("data cache: needs --data-root, a folder with train/ and val/")
    wanted = of_profile("imagenet", set_).data
    use_threads(threads)
    keep_decoded(Path(data_root), wanted, cache_folder(), typer.echo, verify)


@data.command()
def throughput(
    profile: Profile = "imagenet",
    set_: Set = [],  # noqa: B006
    device: Device = "auto",
    data_root: DataRoot = None,
    threads: Threads = None,
    rounds: Annotated[int, typer.Option(min=1, help="Each part is timed so often.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Batches a round.")] = 20,
) -> None:
    """Images a second of the loader beside those of the training step: which one binds?"""
    from alexbench.bench.loader import measure_in
    from alexbench.launch.slots import find_slots

    slot = find_slots(device, 1, threads, data_root)[0]
    wanted = of_profile(profile, set_)
    measured = measure_in(slot, wanted, rounds, steps)
    print_rows(measured.rows, f"{wanted.model.name} on {measured.data}, {slot.device}")
    typer.echo(measured.sentence)


def of_profile(profile: str, settings: list[str]) -> Config:
    """A profile's own configuration, with what ``--set`` says over it."""
    part = load_profile(profile)
    where = f"ablations/profiles/{profile}.yaml"
    return resolve([Layer(where, part.config), Layer("--set", parse_settings(settings))])
