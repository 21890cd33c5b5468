"""How many devices and processes a run needs, and whether its placement is possible. No torch."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whether torchrun is on is asked before a command loads the schema
    from alexbench.config.schema import Config, TrainConfig

COLUMNS = 2  # of the paper's net, each on a device of its own
SPLIT = ("two_columns", "no_links")  # values of model.columns that keep the columns apart


def torchrun_is_on() -> bool:
    """Whether torchrun started this process or one of its parents."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def num_devices(train: "TrainConfig") -> int:
    """How many devices a run occupies."""
    return COLUMNS if train.placement in ("two", "processes") else train.replicas


def num_processes(train: "TrainConfig") -> int:
    """How many processes train a run together."""
    return 1 if train.placement == "two" else num_devices(train)


def misplaced(config: "Config") -> str | None:
    """One line on a placement that the net, the batch or the other keys do not allow, or None."""
    from alexbench.config.constraints import EIGHT_LAYERS

    model, train = config.model, config.train
    placement, replicas = train.placement, train.replicas
    if placement in ("one", "two", "processes") and replicas > 1:
        return (
            f"train.replicas is {replicas}, but train.placement {placement} has none: "
            "allowed are data_parallel and hybrid"
        )
    if placement in ("two", "processes"):
        if model.name not in EIGHT_LAYERS or model.columns not in SPLIT:
            return (
                f"train.placement {placement} puts a column on each device: it needs "
                f"model.name {' or '.join(EIGHT_LAYERS)} with model.columns {' or '.join(SPLIT)}"
            )
    if placement == "hybrid" and (model.name not in EIGHT_LAYERS or model.columns == "no_links"):
        return (
            "train.placement hybrid shares FC layers that see all units: it needs "
            f"model.name {' or '.join(EIGHT_LAYERS)}, and model.columns other than no_links"
        )
    if placement != "one" and config.evaluate.saturation_images:
        return (
            f"evaluate.saturation_images is {config.evaluate.saturation_images}, but the units of "
            f"a net that is placed {placement} are not counted: leave it at 0"
        )
    if train.batch_size % replicas:
        return (
            f"train.batch_size is {train.batch_size}, which {replicas} replicas cannot share "
            f"evenly: choose a multiple of {replicas}"
        )
    return None
