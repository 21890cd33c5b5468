"""How runs are executed. Nothing here changes what a run gives, so none of it is in a run's id."""

from typing import Any, Literal

from pydantic import NonNegativeFloat, PositiveFloat, ValidationError

from alexbench.errors import BadInput
from alexbench.schema import Section


class Execution(Section):
    """The options of ``alexbench run`` that say how, not what."""

    launcher: Literal["local", "ray", "slurm"] = "local"
    address: str | None = None  # of the Ray cluster; None: the one of this machine
    checkpoint_seconds: NonNegativeFloat = 120.0  # between two checkpoints of a run
    hang_seconds: PositiveFloat = 600.0  # without a step, after which a run is killed
    on_error: Literal["keep", "stop"] = "keep"  # going, when a run failed
    retry_failed: bool = False  # runs that failed when they were last tried
    tensorboard: bool = False  # curves into <results>/.../tensorboard


def execution(**options: Any) -> Execution:
    """Raises BadInput for an option that there is not, or with a value that it cannot have."""
    try:
        return Execution(**options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{name}: {first['msg'].lower()}") from None
