"""What every placement must agree on: nets, batches and whole trainings, the same in each process.

As a program it is a process of a group: ``python -m tests.parallel.cases RANK PORT FILE`` computes
all cases, and rank 0 saves what it found.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alexbench import models
from alexbench.config.schema import Config, ModelConfig, TrainConfig
from alexbench.parallel.group import find_store, group, talk_at_home
from alexbench.parallel.placed import ALONE, ProcessGroup, distribute
from alexbench.training.train import train, warm_up
from alexbench.training.weights import gather
from tests.tiny import CPU, tiny_config, tiny_data

SIDES = {"alexnet": 67, "alexnet_small": 16}  # pixels; alexnet is narrow, at full width it is slow
IMAGES, CLASSES = 6, 5  # classes that two devices cannot share evenly
TECHNIQUES = {  # lrn and dropout
    "alexnet": (("none", 0.0), ("both", 0.5)),
    "alexnet_small": (("none", 0.0), ("both", 0.0), ("none", 0.5), ("both", 0.5)),
}
NETS = [
    ModelConfig(name=name, columns=columns, lrn=lrn, dropout=dropout, width=1 / 16, init="fan_in")
    for name, techniques in TECHNIQUES.items()
    for columns in ("two_columns", "no_links")
    for lrn, dropout in techniques
] + [
    ModelConfig(
        name="alexnet_small",
        dropout_place="layer_inputs",
        adaptive_pool=3,
        width=1 / 16,
        init="fan_in",
    )
]
PLACEMENTS = ("processes", "data_parallel", "hybrid")


def can(placement: str, net: ModelConfig) -> bool:
    return placement != "hybrid" or net.columns != "no_links"


def recipe(placement: str, **keys: Any) -> TrainConfig:
    replicas = 2 if placement in ("data_parallel", "hybrid") else 1
    return TrainConfig(placement=placement, replicas=replicas, **keys)


def one_step(
    net_config: ModelConfig,
    placement: str = "one",
    group: ProcessGroup = ALONE,
    device: torch.device = CPU,
    side: int | None = None,
) -> tuple[Tensor, dict[str, Tensor], int]:
    """Logits of all images, gradients of the whole net in float64, and the bytes that were sent."""
    side = side or SIDES[net_config.name]
    net = models.build(net_config, CLASSES, side, seed=0).double().to(device)
    net = net.to(memory_format=torch.channels_last)
    net, share, traffic = distribute(net, recipe(placement), group)
    models.set_dropout_stream(net, torch.Generator(device).manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(IMAGES, 3, side, side, generator=generator, dtype=torch.float64).to(device)
    labels = torch.arange(IMAGES, device=device) % CLASSES
    share.begin(IMAGES)
    logits = net.train()(images[share.rows])
    share.loss(logits, labels[share.rows]).backward()
    return share.collect(logits.detach(), IMAGES), gradients(net), traffic.sent_bytes


def gradients(net: nn.Module) -> dict[str, Tensor]:
    def of(weight: nn.Parameter) -> Tensor:
        assert weight.grad is not None
        return weight.grad

    return gather(net, of)


def training(name: str, placement: str) -> Config:
    """ten_steps: 5 epochs of 2 batches, the second one odd. curve: 20 steps of 128 images."""
    ten = name == "ten_steps"
    return tiny_config(
        model={
            "name": "alexnet_small",
            "width": 1 / 16,
            "dropout": 0.5 if ten else 0.0,
            "lrn_alpha": 0.41,
            "init": "fan_in",
        },
        train=recipe(
            placement,
            epochs=5 if ten else 20,
            batch_size=32 if ten else 128,
            lr=0.01,
            layer_lr_factor={"conv1": 0.5, "fc8": 2.0},
            layer_weight_decay={"conv2": 0.01, "fc6": 0.0},
        ).model_dump(),
        evaluate={"train_images": None if ten else 0},
    )


IMAGES_OF = {"ten_steps": 51, "curve": 128}


def trained(name: str, placement: str = "one", group: ProcessGroup = ALONE) -> dict[str, Any]:
    """The history of a whole training, its weights and its predictions."""
    data = tiny_data(IMAGES_OF[name])
    outcome = train(training(name, placement), data, 0, CPU, lambda *_: None, None, group)
    weights = {key: weight.detach() for key, weight in outcome.net.state_dict().items()}
    return {
        "history": outcome.history,
        "weights": weights,
        "predicted": outcome.scores.predicted,
    }


def everything(group: ProcessGroup) -> dict[str, Any]:
    steps = {
        (placement, index): one_step(net, placement, group)
        for placement in PLACEMENTS
        for index, net in enumerate(NETS)
        if can(placement, net)
    }
    runs = {
        (placement, name): trained(name, placement, group)
        for placement in PLACEMENTS
        for name in IMAGES_OF
        if (placement, name) != ("processes", "curve")  # which shares no batch
    }
    for _ in range(2):  # each takes as many steps in every process, whatever its clock
        warm_up(training("ten_steps", "data_parallel"), CLASSES, 51, CPU, group)
    return {"steps": steps, "runs": runs}


def main(rank: int, port: int, file: Path) -> None:
    torch.set_num_threads(1)
    talk_at_home()
    with group(find_store(port), "cases", rank, 2, CPU):
        found = everything(ProcessGroup(rank, 2))
    if rank == 0:
        torch.save(found, file)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
