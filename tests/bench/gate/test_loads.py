"""The gate's cases are large enough for the device that they are meant for."""

from alexbench.bench.cost import cost
from alexbench.bench.gate.worker import CUDA_STEP_IMAGES, LARGE
from alexbench.bench.shapes import Norm, TrainStep
from alexbench.bench.steps import step_config, step_cost

BYTES_A_SECOND, FLOPS_A_SECOND = 3.35e12, 6e13  # an H100's memory, and its float32 units
LAUNCH_SECONDS = 5e-6  # of the host, a kernel


def test_on_cuda_normalization_takes_longer_than_its_launches():
    batch, channels, side, _ = LARGE
    norm = Norm("norm", channels, side)
    moved = sum(cost(norm, way, batch, 4).bytes for way in ("forward", "backward"))
    assert moved / BYTES_A_SECOND > 20 * LAUNCH_SECONDS
    assert moved > 10 * (50 << 20)  # the L2 cache


def test_on_cuda_a_step_takes_longer_than_its_launches():
    step = step_config(TrainStep("cifar4", 32, 10, cpu_batch=1))
    flops = step_cost(step, 10, CUDA_STEP_IMAGES).flops
    assert flops / FLOPS_A_SECOND > 2 * 70 * LAUNCH_SECONDS
