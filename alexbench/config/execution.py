"""Where and how runs are executed. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, ValidationError

from alexbench.config.schema import Section
from alexbench.errors import BadInput

Setting = Annotated[str, Field(pattern=r"^\w+=.+$")]  # key=value


@dataclass(frozen=True)
class Slot:
    """Where runs happen: a device, its threads, and where the images are."""

    device: str = "cpu"
    num_threads: int = 1
    jobs: int = 1  # at one time on this machine: they share its memory
    data_root: str | None = None
    devices: tuple[str, ...] = ()  # all of them, for a run on several; device is the first


class RunOptions(Section):
    """The options of ``alexbench run`` that say how, not what: no run's result or id has them."""

    checkpoint_seconds: NonNegativeFloat = 120.0  # between two checkpoints of a run
    hang_seconds: PositiveFloat = 600.0  # without a step, after which a run is killed, and failed
    on_error: Literal["keep", "stop"] = "keep"  # going when a run failed, or not
    retry_failed: bool = False  # also train runs that failed when they were last tried
    reuse: bool = True  # copy runs that another folder of the results has
    launcher: Literal["local", "ray", "slurm"] = "local"
    address: str | None = None  # of the Ray cluster; None: one of this machine's own
    # parameters of submitit: partition, time limit; cluster=local runs the jobs here
    slurm: Annotated[tuple[Setting, ...], Field(strict=False)] = ()
    tensorboard: bool = False  # write curves below the results, in tensorboard/
    tracker: Literal["wandb", "trackio"] | None = None  # the same, in a folder of that name


def execution(**options: Any) -> RunOptions:
    """Raises BadInput for an option that there is not, or with a value that it cannot have."""
    try:
        return RunOptions(**options)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise BadInput(f"--{option} {first['input']}: {first['msg'].lower()}") from None
