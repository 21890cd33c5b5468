"""The Triton kernel without a GPU: its arithmetic under the interpreter, its machine code unrun."""

import math
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

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


WINDOW = {"scale": 1e-4, "beta": 0.75, "k": 2.0}


def compile_ahead(capability, dtype, channels, channels_last, backward, even=True, window=WINDOW):
    """Compile as a launch on that GPU would; returns the PTX.

    even: whether numbers of pixels, and channels, are multiples of 16, which Triton looks at.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from alexbench.kernels import triton_lrn

    tile_channels, tile_pixels = triton_lrn.tile(channels)
    constants = {
        **window,
        "BEFORE": min(2, channels - 1),
        "AFTER": min(2, channels - 1),
        "THREE_QUARTERS": window["beta"] == 0.75,
        "BACKWARD": backward,
        "TILE_PIXELS": tile_pixels,
        "TILE_CHANNELS": tile_channels,
        "channel_stride" if channels_last else "pixel_stride": 1,
    }
    names = triton_lrn.lrn_kernel.arg_names
    types = {name: "*" + dtype for name in names if name.endswith("_pointer")}
    divisible = set(types)
    types |= dict.fromkeys(("channels", "pixels", "pixel_stride", "channel_stride"), "i32")
    if channels % 16 == 0:
        divisible |= {"channels"} | ({"pixel_stride"} if channels_last else set())
    if even:
        divisible |= {"pixels"} | (set() if channels_last else {"channel_stride"})
    types |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(
        triton_lrn.lrn_kernel,
        signature={name: types[name] for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in sorted(divisible)},
    )
    warps = triton_lrn.num_warps(tile_channels, tile_pixels, channels_last)
    compiled = triton.compile(source, GPUTarget("cuda", capability, 32), {"num_warps": warps})
    assert compiled.asm["cubin"]
    return compiled.asm["ptx"]


def registers_and_spills(ptx):
    import triton

    (arch,) = re.findall(r"\.target (sm_\w+)", ptx)
    tool = "ptxas-blackwell" if arch.startswith(("sm_10", "sm_12")) else "ptxas"
    ptxas = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / tool
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [ptxas, "-v", f"--gpu-name={arch}", file.name, "-o", os.devnull]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = [int(number) for number in re.findall(r"(\d+) bytes spill", report)]
    (registers,) = re.findall(r"Used (\d+) registers", report)
    return int(registers), sum(spills)


# (type, channels of a column, channels-last, pixels a multiple of 16)
CASES = [("fp32", 64, True, True), ("fp32", 48, False, False)]  # the CIFAR nets'; conv1's
MORE = [("fp16", 256, False, True), ("fp64", 64, True, True), ("fp32", 512, True, True)]


def shipped_cases():
    """What the LRN layers of all variants of all shipped ablations ask of the compiler."""
    from alexbench import models
    from alexbench.config.load import load_ablation
    from alexbench.config.shipped import PROFILES, shipped_ablations
    from alexbench.models.layers import LocalResponseNorm

    nets = {
        (variant.model, variant.augment.crop_size)
        for name in shipped_ablations()
        for profile in PROFILES
        for variant in load_ablation(name, profile).variants.values()
    }
    found = set()

    def note(layer, inputs, output):
        _, channels, *sides = inputs[0].shape
        even = math.prod(sides) % 16 == 0
        for dtype in ("fp32", "bf16"):
            found.add((dtype, channels // layer.columns, False, even))
            found.add((dtype, channels // layer.columns, True, even))

    for model, side in nets:
        net = models.blueprint(model, 10, side).eval()
        for layer in net.modules():
            if isinstance(layer, LocalResponseNorm):
                layer.register_forward_hook(note)
                layer.forward = lambda x: x
        net(torch.empty(2, 3, side, side, device="meta"))
    return sorted(found)


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
    dtype, channels, channels_last, even = case
    ptx = compile_ahead(capability, dtype, channels, channels_last, backward, even)
    registers, spilled_bytes = registers_and_spills(ptx)
    record_property("registers", registers)
    assert spilled_bytes == 0
    assert 16 <= registers <= 255


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90, 120])
def test_no_shape_of_a_shipped_net_spills(capability):
    spilled = {}
    for case in shipped_cases():
        dtype, channels, channels_last, even = case
        for backward in (False, True):
            ptx = compile_ahead(capability, dtype, channels, channels_last, backward, even)
            spilled[case, backward] = registers_and_spills(ptx)[1]
    assert len(spilled) > 40
    assert not any(spilled.values()), {case: n for case, n in spilled.items() if n}


def test_a_float64_kernel_computes_in_float64_and_a_float32_kernel_does_not():
    odd = {"scale": 0.1 / 3, "beta": 0.6, "k": 1.7}
    double, single = (compile_ahead(90, dtype, 16, True, True, window=odd) for dtype in TYPES)
    assert not re.search(r"cvt\.\S*f64\.f32|mul\.f32", double)
    for value in (odd["scale"], odd["k"]):
        assert "0d" + struct.pack(">d", value).hex().upper() in double
    assert "f64" not in single


TYPES = ("fp64", "fp32")


def test_the_grid_is_within_the_hardwares_limits_however_many_images():
    from alexbench.kernels import triton_lrn

    assert triton_lrn.grid(40_000 * 2, 55 * 55, 32) == (80_000 * 95,)
    assert triton_lrn.grid(1, 128 * 27 * 27, 16) == (5832,)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_forty_thousand_images_in_two_groups_are_normalized():
    from alexbench.kernels import local_response_norm

    x = torch.randn(40_000, 4, 3, 3, device="cuda")
    y, same = (local_response_norm(x, 5, 1e-2, 0.75, 2.0, name, 2) for name in ("triton", "torch"))
    torch.testing.assert_close(y, same, rtol=1e-5, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_on_cuda_a_tensor_of_another_device_than_the_current_one_is_normalized_there():
    from alexbench.kernels import local_response_norm

    torch.cuda.set_device(0)
    x = torch.randn(2, 16, 3, 3, device="cuda:1")
    y, same = (local_response_norm(x, 5, 1e-2, 0.75, 2.0, name) for name in ("triton", "torch"))
    torch.testing.assert_close(y, same, rtol=1e-5, atol=1e-6)


def launch_types(kernel, dtype):
    """The types that a launch on a GPU gives the kernel's arguments, by Triton's own binder."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import make_backend
    from triton.runtime.jit import create_function_from_signature

    backend = make_backend(GPUTarget("cuda", 90, 32))
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    x = torch.ones(4, 4, dtype=dtype)
    values = {"scale": 0.1 / 3, "beta": 0.6, "k": 1.7, "THREE_QUARTERS": False, "BACKWARD": True}
    given = {
        name: x if name.endswith("_pointer") else values.get(name, 4) for name in kernel.arg_names
    }
    _, types, _ = bind(**given)
    return dict(zip(kernel.arg_names, types, strict=True))


def test_a_launch_gives_a_float64_kernel_no_float32_argument():
    from alexbench.kernels.triton_lrn import lrn_kernel

    types = launch_types(lrn_kernel, torch.float64)
    assert types["x_pointer"][0] == "*fp64"
    assert types["scale"] == ("constexpr", 0.1 / 3)
    assert not [name for name, (kind, *_) in types.items() if "fp32" in kind]
