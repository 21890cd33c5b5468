"""``alexbench bench lrn``: every implementation against torch's and against a copy, interleaved."""

import pandas as pd
import torch

from alexbench.bench.arms import FORMATS, Arm
from alexbench.bench.calls import PAPER_NORM, random
from alexbench.bench.timing import Call, interleave, spread
from alexbench.kernels import IMPLEMENTATIONS, local_response_norm, resolve, why_not
from alexbench.launch.slots import cores, devices
from alexbench.training.allocator import keep_memory
from alexbench.training.numerics import use

# of cifar4 and of a middle size on a CPU; on CUDA those of AlexNet, too large for the L2 cache
SHAPES = {
    "cpu": ((128, 32, 16, 16), (128, 64, 16, 16), (64, 96, 27, 27)),
    "cuda": ((128, 96, 55, 55), (128, 256, 27, 27), (128, 64, 112, 112), (512, 32, 16, 16)),
}
PASSES = 5  # over memory: forward reads x, writes y; backward reads x and g, writes dx
COPY_BYTES = 64 << 20


def lrn_table(
    device: str = "auto",
    threads: int | None = None,
    rounds: int = 15,
    memory_format: str = "channels_last",
    compiled: bool = False,
) -> pd.DataFrame:
    """A row a shape and implementation: forward + backward, in rounds that call each once.

    speedup: median over the rounds of torch's time over this one's. share_of_copy_limit: of the
    time in which a copy of 64 MiB, timed in the same rounds, would move the bytes of the five
    passes. compiled: torch.compile as well, up to a minute a shape to start.
    """
    keep_memory()
    chosen = torch.device(devices(device)[0])
    use(chosen)
    if chosen.type == "cpu":
        torch.set_num_threads(threads or cores())
    here = [name for name in IMPLEMENTATIONS if not why_not(name, chosen)]
    names = [name for name in here if compiled or name != "compiled"]
    tables = [compare(shape, names, chosen, rounds, memory_format) for shape in SHAPES[chosen.type]]
    return pd.concat(tables, ignore_index=True)


def compare(
    shape: tuple[int, int, int, int],
    names: list[str],
    device: torch.device,
    rounds: int,
    memory_format: str,
) -> pd.DataFrame:
    """A row for each implementation: seconds, their spread, and the speedup over the first."""
    calls = {name: both_passes(shape, name, device, memory_format) for name in names}
    source = torch.zeros(COPY_BYTES // 4, device=device)
    target = torch.zeros_like(source)
    samples = interleave({**calls, "copy": lambda: target.copy_(source)}, device, rounds, 2)
    values = torch.Size(shape).numel()
    table = []
    for name in names:
        pairs = zip(samples["torch"], samples[name], strict=True)
        speedup = spread([torch_seconds / own for torch_seconds, own in pairs])
        limits = [copy * PASSES * values * 4 / (2 * COPY_BYTES) for copy in samples["copy"]]
        share = spread([c / own for c, own in zip(limits, samples[name], strict=True)])
        seconds = spread(samples[name])
        table.append(
            {
                "shape": "x".join(map(str, shape)),
                "memory_format": memory_format,
                "implementation": name + (" (auto)" if name == resolve(device) else ""),
                "median_seconds": seconds.median,
                "iqr_seconds": seconds.iqr,
                "speedup": speedup.median,
                "speedup_iqr": speedup.iqr,
                "share_of_copy_limit": share.median,
            }
        )
    return pd.DataFrame(table)


def both_passes(
    shape: tuple[int, int, int, int], name: str, device: torch.device, memory_format: str
) -> Call:
    """Forward and backward of a tensor and a gradient that are there already."""
    assert memory_format in FORMATS
    arm = Arm("forward", memory_format)
    x, gradient = (random(shape, arm, device) for _ in ("x", "gradient"))
    x.requires_grad_()

    def call() -> None:
        y = local_response_norm(x, **PAPER_NORM, implementation=name)  # type: ignore[arg-type]
        torch.autograd.grad(y, x, gradient)

    return call
