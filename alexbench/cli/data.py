"""The commands about images: decode them once, measure how fast they are loaded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alexbench.cli.app import DataRoot, OneDevice, Profile, print_rows
from alexbench.errors import BadInput

if TYPE_CHECKING:
    from alexbench.config.schema import Config

Set = Annotated[list[str], typer.Option("--set", help="key=value, e.g. data.image_size=256.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.")]

data = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Decode images once, or measure how fast they are loaded.",
)


@data.command()
def cache(
    data_root: DataRoot = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    threads: Threads = None,
    verify: Annotated[bool, typer.Option(help="Verify decoded images by their checksums.")] = False,
) -> None:
    """Decode and resize every image of --data-root once, for all later runs."""
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
    device: OneDevice = "auto",
    data_root: DataRoot = None,
    threads: Threads = None,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Timings of each part.")] = 5,
    steps: Annotated[int, typer.Option(min=1, max=10_000, help="Batches in a timing.")] = 20,
) -> None:
    """Measure images a second of the loader and of the training step; the slower one limits."""
    from alexbench.bench.loader import measure_in
    from alexbench.launch.slots import find_slots, one_device

    slot = find_slots(one_device(device), 1, threads, data_root)[0]
    wanted = of_profile(profile, set_)
    measured = measure_in(slot, wanted, rounds, steps)
    print_rows(measured.rows, f"{wanted.model.name} on {measured.data}, {slot.device}")
    typer.echo(measured.sentence)


def of_profile(profile: str, settings: list[str]) -> "Config":
    """The configuration of a profile and its regime, changed by ``--set``. Raises BadInput."""
    from alexbench.config.overrides import Layer, parse_settings, resolve
    from alexbench.config.profiles import find_scale, load_regime

    found = find_scale(profile, {})
    regime = Layer(f"ablations/regimes/{found.regime}.yaml", load_regime(found.regime).config)
    changed = Layer("--set", parse_settings(settings))
    return resolve([Layer(found.where, found.part.config), regime, changed])
