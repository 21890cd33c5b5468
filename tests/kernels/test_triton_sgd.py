"""The update's Triton kernel without a GPU: under the interpreter, and compiled ahead of time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.kernels.test_triton_lrn import registers_and_spills

pytest.importorskip("triton", reason="the triton package is not installed")

INTERPRETED = """
import torch
from alexbench.training.optimizer import PaperSGD, set_learning_rate
def trained(fused):
    generator = torch.Generator(torch.get_default_device()).manual_seed(0)
    shapes = [(3, 5, 2, 2), (1500,), (7,)]
    weights = [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
    weights[0].data = weights[0].data.contiguous(memory_format=torch.channels_last)
    groups = [
        {"params": weights[:2], "weight_decay": 0.01, "lr_factor": 1.0},
        {"params": weights[2:], "weight_decay": 0.0, "lr_factor": 2.0},
    ]
    optimizer = PaperSGD(groups, lr=0.1, momentum=0.9, fused=fused)
    for rate in (0.1, 0.01, 0.0, 0.02):
        set_learning_rate(optimizer, rate)
        for weight in weights:  # contiguous: other strides than those of the first weight
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    velocities = [optimizer.state[weight]["velocity"] for weight in weights]
    return [t.detach().clone() for t in (*weights, *velocities)]
for plain, fused in zip(trained(False), trained(True), strict=True):
    torch.testing.assert_close(fused, plain, rtol=1e-6, atol=1e-7)
"""


def test_the_interpreter_updates_as_torchs_operators_do():
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("weight_decay", [0.0, 5e-4])
def test_machine_code_keeps_everything_in_registers(weight_decay):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from alexbench.kernels.triton_sgd import NUM_WARPS, TILE, sgd_kernel

    names = sgd_kernel.arg_names
    constants = {"momentum": 0.9, "weight_decay": weight_decay, "TILE": TILE}
    types = {name: "*fp32" for name in names if name.endswith("_pointer")} | {"count": "i32"}
    source = ASTSource(
        sgd_kernel,
        signature={name: types.get(name, "constexpr") for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(n,): [["tt.divisibility", 16]] for n in range(5)},
    )
    compiled = triton.compile(source, GPUTarget("cuda", 90, 32), {"num_warps": NUM_WARPS})
    registers, spilled_bytes = registers_and_spills(compiled.asm["ptx"])
    assert spilled_bytes == 0
    assert registers <= 64
    assert "ld.global.v4" in compiled.asm["ptx"]  # sixteen bytes at a time


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_the_kernel_updates_as_torchs_operators_do():
    done = subprocess.run(
        [sys.executable, "-c", "import torch; torch.set_default_device('cuda')" + INTERPRETED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
