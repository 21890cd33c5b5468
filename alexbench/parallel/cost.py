"""The cost of a training step on n devices: FLOPs, bytes over the links, images read. No torch.

A model of bounds: nothing overlaps but the reading of images, and every device reaches the speeds
that it is given. It says which of the three a placement waits for; a measured epoch takes longer.
"""

from dataclasses import dataclass
from typing import Literal

Placement = Literal["columns", "data_parallel", "hybrid"]
BYTES = 4  # of a float32
BACKWARD = 2  # times the FLOPs of the forward pass: gradients of the inputs and of the weights


@dataclass(frozen=True)
class Net:
    """A net by its two halves: parameters, and FLOPs of the forward pass of an image.

    features: numbers an image that go from the convolutions to the FC layers. links: units an image
    that the other column reads, of both. fc_units: of the FC layers, with the logits.
    """

    conv_parameters: int
    fc_parameters: int
    conv_flops: int
    fc_flops: int
    features: int
    links: int
    fc_units: int
    classes: int


@dataclass(frozen=True)
class Machine:
    """FLOPs a second of a device, bytes a second of its link, images a second of all hosts."""

    flop_per_second: float
    link_bytes_per_second: float
    loader_images_per_second: float  # decoded on all hosts together


@dataclass(frozen=True)
class Step:
    """One batch on one device: seconds of arithmetic and of exchange, bytes that it sends."""

    compute_seconds: float
    sent_bytes: float
    exchange_seconds: float


# The paper's net for 224 pixels and 1,000 classes, counted by alexbench.models.count.
ALEXNET = Net(
    conv_parameters=2_334_080,
    fc_parameters=58_631_144,
    conv_flops=1_331_569_728,
    fc_flops=117_243_904,
    features=9_216,
    links=256 * 13**2 + 9_216 + 4_096 + 4_096,  # before conv3, fc6, fc7 and fc8
    fc_units=4_096 + 4_096 + 1_000,
    classes=1_000,
)


def step(net: Net, machine: Machine, placement: Placement, devices: int, batch: int) -> Step:
    """One batch of so many images in all, on so many equal devices."""
    flops = batch * (1 + BACKWARD) * (net.conv_flops + net.fc_flops) / devices
    sent = sent_bytes(net, placement, devices, batch) if devices > 1 else 0.0
    return Step(flops / machine.flop_per_second, sent, sent / machine.link_bytes_per_second)


def sent_bytes(net: Net, placement: Placement, devices: int, batch: int) -> float:
    """Bytes that one device sends in a step, forward and backward.

    columns: its own half of the links, with as many gradients back, and of the logits.
    data_parallel: a ring sums every gradient.
    hybrid: a ring for the convolutions; in the FC layers each device sends the features of its own
    images, and its own units of every image, to all others, and as many gradients come back.
    """
    ring = 2 * (devices - 1) / devices * BYTES
    if placement == "columns":  # two of them
        return batch * (2 * net.links / devices + -(-net.classes // devices)) * BYTES
    if placement == "data_parallel":
        return ring * (net.conv_parameters + net.fc_parameters)
    own = batch / devices * (net.features + net.fc_units)
    return ring * net.conv_parameters + 2 * (devices - 1) * own * BYTES


PLACEMENTS: tuple[tuple[Placement, tuple[int, ...]], ...] = (
    ("columns", (2,)),
    ("data_parallel", (1, 2, 4, 8)),
    ("hybrid", (2, 4, 8)),
)


def predictions(machine: Machine, batch: int, images: int) -> list[dict[str, object]]:
    """The paper's net: a row for each placement and number of devices."""
    rows = []
    for placement, numbers in PLACEMENTS:
        for devices in numbers:
            each = step(ALEXNET, machine, placement, devices, batch)
            seconds = epoch_seconds(ALEXNET, machine, placement, devices, batch, images)
            rows.append(
                {
                    "placement": placement if devices > 1 else "one",
                    "devices": devices,
                    "compute_seconds": each.compute_seconds,
                    "sent_megabytes": each.sent_bytes / 1e6,
                    "exchange_seconds": each.exchange_seconds,
                    "epoch_seconds": seconds,
                }
            )
    return sorted(rows, key=lambda row: row["devices"])  # type: ignore[arg-type,return-value]


def epoch_seconds(
    net: Net, machine: Machine, placement: Placement, devices: int, batch: int, images: int
) -> float:
    """Seconds an epoch: arithmetic and exchange one after the other, reading beside them."""
    each = step(net, machine, placement, devices, batch)
    steps = -(-images // batch)
    training = steps * (each.compute_seconds + each.exchange_seconds)
    return max(training, images / machine.loader_images_per_second)
