"""The Triton kernel without a GPU: its arithmetic under the interpreter, its machine code unrun."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="the triton package is not installed")

INTERPRETED = """
import numpy as np, sys, torch
from tests.kernels.lrn_reference import reference
from alexbench.kernels import local_response_norm
generator = torch.Generator().manual_seed(0)
worst = 0.0
for shape, size, beta, groups, dtype in [
    ((2, 5, 3, 7), 5, 0.75, 1, torch.float32),
    ((1, 33, 5, 3), 4, 0.75, 3, torch.float32),
    ((3, 12, 1, 9), 9, 0.6, 2, torch.float32),
    ((2, 3, 4, 4), 30, 0.75, 1, torch.float32),
    ((0, 8, 2, 2), 5, 0.75, 1, torch.float32),
    ((2, 7, 3, 3), 5, 0.75, 1, torch.float64),
]:
    for layout in (torch.contiguous_format, torch.channels_last):
        x, g = (5 * torch.randn(shape, generator=generator).to(dtype) for _ in "xg")
        x = x.contiguous(memory_format=layout).requires_grad_()
        y = local_response_norm(x, size, 1e-2, beta, 1.5, "triton", groups)
        (dx,) = torch.autograd.grad(y, x, g)
        y_true, dx_true, scale = reference(
            x.detach().double(), g.double(), size, 1e-2, beta, 1.5, groups
        )
        tolerance = {torch.float32: 1e-5, torch.float64: 1e-13}[dtype]
        forward = np.abs(y.detach().double().numpy() - y_true) / np.abs(y_true)
        backward = np.abs(dx.double().numpy() - dx_true) / scale
        worst = max(worst, forward.max(initial=0) / tolerance, backward.max(initial=0) / tolerance)
        assert y.is_contiguous(memory_format=layout)
print(worst)
"""


def test_the_interpreter_agrees_with_the_formula_on_odd_shapes():
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1  # in tolerances: 1e-5 for float32


def compile_ahead(capability, dtype, channels, channels_last, backward):
    """Compile for that GPU; returns the registers and spilled bytes that ptxas reports."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from alexbench.kernels import triton_lrn

    tile_channels, tile_pixels = triton_lrn.tile(channels)
    constants = {
        "BEFORE": 2,
        "AFTER": 2,
        "THREE_QUARTERS": True,
        "BACKWARD": backward,
        "TILE_PIXELS": tile_pixels,
        "TILE_CHANNELS": tile_channels,
        "channel_stride" if channels_last else "pixel_stride": 1,
    }
    names = triton_lrn.lrn_kernel.arg_names
    types = {name: "*" + dtype for name in names if name.endswith("_pointer")}
    types |= dict.fromkeys(("channels", "pixels", "pixel_stride", "channel_stride"), "i32")
    types |= dict.fromkeys(("scale", "beta", "k"), "fp32") | dict.fromkeys(constants, "constexpr")
    source = ASTSource(
        triton_lrn.lrn_kernel,
        signature={name: types[name] for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n in types if "pointer" in n},
    )
    warps = triton_lrn.num_warps(tile_channels, tile_pixels)
    compiled = triton.compile(source, GPUTarget("cuda", capability, 32), {"num_warps": warps})
    assert compiled.asm["cubin"]
    return registers_and_spills(compiled.asm["ptx"])


def registers_and_spills(ptx):
    import triton

    (arch,) = re.findall(r"\.target (sm_\w+)", ptx)
    ptxas = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [ptxas, "-v", f"--gpu-name={arch}", file.name, "-o", os.devnull]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = [int(number) for number in re.findall(r"(\d+) bytes spill", report)]
    (registers,) = re.findall(r"Used (\d+) registers", report)
    return int(registers), sum(spills)


CASES = [("fp32", 64, True), ("fp32", 48, False)]  # the CIFAR nets'; conv1's of one column
MORE = [("fp32", 256, True), ("fp32", 96, False), ("bf16", 128, True), ("fp16", 256, False)]
MORE += [("fp64", 64, True), ("fp32", 512, True)]


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id="-".join(map(str, case))) for case in CASES]
    + [pytest.param(case, id="-".join(map(str, case)), marks=pytest.mark.slow) for case in MORE],
)
def test_machine_code_for_two_generations_keeps_everything_in_registers(
    capability, backward, case, record_property
):
    registers, spilled_bytes = compile_ahead(capability, *case, backward)
    record_property("registers", registers)
    assert spilled_bytes == 0
    assert 16 <= registers <= 255
