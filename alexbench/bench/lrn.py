"""``alexbench bench lrn``: every implementation against torch's and against a copy, interleaved."""

from collections.abc import Iterator

import pandas as pd
import torch

from alexbench.bench.arms import FORMATS, Arm
from alexbench.bench.calls import PAPER_NORM, random
from alexbench.bench.peaks import COPY_BYTES
from alexbench.bench.timing import Call, clocks, interleave, noise, spread
from alexbench.errors import BadInput
from alexbench.kernels import IMPLEMENTATIONS, local_response_norm, resolve, why_not
from alexbench.launch.slots import one_device, use_threads
from alexbench.training.allocator import keep_memory
from alexbench.training.numerics import check_precision, use

Shape = tuple[int, int, int, int]
# (N, C, H, W), groups. cpu: the first of the nets of laptop and cifar10-short and of half a cifar4
# (6, 12 and 16 channels a group); both of cifar4; the first of AlexNet. cuda: those of AlexNet and
# of VGG-A, too large for the L2 cache
SHAPES: dict[str, tuple[tuple[Shape, int], ...]] = {
    "cpu": (
        ((64, 12, 24, 24), 2),
        ((128, 24, 32, 32), 2),
        ((64, 16, 24, 24), 1),
        ((128, 32, 16, 16), 1),
        ((128, 64, 16, 16), 1),
        ((64, 96, 27, 27), 1),
    ),
    "cuda": (
        ((128, 96, 55, 55), 1),
        ((128, 256, 27, 27), 1),
        ((128, 64, 112, 112), 1),
        ((512, 32, 16, 16), 1),
    ),
}
PRECISIONS = {"cpu": ("ieee",), "cuda": ("ieee", "bf16")}  # torch's LRN has no bf16 on a CPU
PASSES = 5  # over memory: forward reads x, writes y; backward reads x and g, writes dx


def lrn_tables(
    device: str = "auto",
    threads: int | None = None,
    rounds: int = 15,
    memory_format: str = "channels_last",
    compiled: bool = False,
    precision: str = "ieee",
) -> Iterator[pd.DataFrame]:
    """A table a shape, a row an implementation: forward + backward, in rounds that call each once.

    speedup: median over the rounds of torch's time over this one's. share_of_copy_limit: of the
    time in which a copy far beyond the caches, timed in the same rounds, would move the bytes of
    the five passes. compiled: torch.compile as well, up to a minute a shape to start. precision:
    ieee, or on CUDA bf16 for images in bfloat16. ``banded`` is left out on CUDA: thousands of
    kernels a call, so that the host's time would be measured. Raises BadInput.
    """
    keep_memory()
    chosen = torch.device(one_device(device))
    for key, value, allowed in (
        ("memory-format", memory_format, tuple(FORMATS)),
        ("precision", precision, PRECISIONS[chosen.type]),
    ):
        if value not in allowed:
            raise BadInput(f"--{key} {value}: on {chosen.type} allowed are {', '.join(allowed)}")
    check_precision(precision, chosen)
    use(chosen)
    if chosen.type == "cpu":
        use_threads(threads)
    here = [name for name in IMPLEMENTATIONS if not why_not(name, chosen)]
    wanted = {"compiled": compiled, "banded": chosen.type != "cuda"}
    names = [name for name in here if wanted.get(name, True)]
    for each in SHAPES[chosen.type]:
        yield compare(*each, names, chosen, rounds, Arm("forward", memory_format, precision))


def compare(
    shape: Shape,
    groups: int,
    names: list[str],
    device: torch.device,
    rounds: int,
    arm: Arm,
) -> pd.DataFrame:
    """A row for each implementation: seconds, their spread, and the speedup over the first."""
    calls = {name: both_passes(shape, groups, name, device, arm) for name in names}
    copied = COPY_BYTES[device.type]
    source = torch.zeros(copied, dtype=torch.int8, device=device)
    target = torch.zeros_like(source)
    samples = interleave({**calls, "copy": lambda: target.copy_(source)}, device, rounds, 2)
    passed = torch.Size(shape).numel() * arm.dtype.itemsize
    clock = clocks(device)  # right after: before the warming up it was another
    limits = [copy_limit(seconds, copied, passed) for seconds in samples["copy"]]
    table = []
    for name in names:
        pairs = zip(samples["torch"], samples[name], strict=True)
        speedup = spread([torch_seconds / own for torch_seconds, own in pairs])
        share = spread([limit / own for limit, own in zip(limits, samples[name], strict=True)])
        seconds = spread(samples[name])
        table.append(
            {
                "shape": "x".join(map(str, shape)),
                "groups": groups,
                "memory_format": arm.memory_format,
                "precision": arm.precision,
                "implementation": name + (" (auto)" if name == resolve(device) else ""),
                "median_seconds": seconds.median,
                "iqr_seconds": seconds.iqr,
                "speedup": speedup.median,
                "speedup_iqr": speedup.iqr,
                "share_of_copy_limit": share.median,
                "samples": len(samples[name]),
                "noise": noise(samples[name]),
                "clock": clock,
            }
        )
    return pd.DataFrame(table)


def copy_limit(copy_seconds: float, copied: int, passed: int) -> float:
    """Seconds in which a copy of so many bytes, read and written, would move all passes' bytes."""
    return copy_seconds * PASSES * passed / (2 * copied)


def both_passes(shape: Shape, groups: int, name: str, device: torch.device, arm: Arm) -> Call:
    """Forward and backward of a tensor and a gradient that are there already."""
    x, gradient = (random(shape, arm, device) for _ in ("x", "gradient"))
    x.requires_grad_()

    def call() -> None:
        y = local_response_norm(x, **PAPER_NORM, implementation=name, groups=groups)  # type: ignore[arg-type]
        torch.autograd.grad(y, x, gradient)

    return call
