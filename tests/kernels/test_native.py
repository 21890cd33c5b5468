"""The C++ kernel: built once, never in the way, and the same bits whoever computes them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from alexbench.kernels import local_response_norm, native, why_not

CASE = """
import hashlib, sys, torch
from alexbench.kernels import local_response_norm, resolve
torch.set_num_threads(int(sys.argv[1]))
generator = torch.Generator().manual_seed(0)
print(resolve("cpu"))
for shape in ((16, 48, 13, 13), (5, 9, 7, 7)):
    x, g = (torch.randn(shape, generator=generator) for _ in "xg")
    for layout in (torch.channels_last, torch.contiguous_format):
        x = (9 * x.detach()).contiguous(memory_format=layout).requires_grad_()
        y = local_response_norm(x, 5, 1e-4, 0.75, 2.0, groups=1)
        y.backward(g)
        for t in (y.detach(), x.grad):
            print(hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest())
"""


def start_case(cache, threads=1, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", CASE, str(threads)],
        env={**os.environ, "ALEXBENCH_CACHE": str(cache), **environment},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    implementation, *hashes = out.splitlines()
    return implementation, hashes, err


needs_native = pytest.mark.skipif(
    why_not("native", "cpu") is not None,
    reason=f"native: {why_not('native', 'cpu')}",
)


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("g++"), reason="needs Linux and g++"
)
def test_the_kernel_is_there_where_a_compiler_is():
    assert why_not("native", "cpu") is None


@needs_native
def test_processes_that_build_at_once_get_the_same_bits_and_leave_one_file(tmp_path):
    # whatever their number of threads, and though the cache holds a damaged file
    (tmp_path / f"lrn-{native.identity()}.so").write_bytes(b"damaged")
    results = [outcome(p) for p in [start_case(tmp_path, threads) for threads in (1, 2)]]
    assert [implementation for implementation, _, _ in results] == ["native"] * 2
    assert results[0][1] == results[1][1]
    assert "alexbench: building the LRN kernel for this processor, once" in results[0][2]
    assert len(list(tmp_path.iterdir())) == 1
    assert outcome(start_case(tmp_path)) == ("native", results[0][1], "")


@needs_native
def test_code_from_a_folder_where_others_may_write_is_never_loaded(tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / f"lrn-{native.identity()}.so").write_bytes(b"planted")
    implementation, _, err = outcome(start_case(tmp_path))
    assert implementation == "native"
    assert f"{tmp_path} can be written by others, so that no code is loaded from there" in err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"planted"]


@needs_native
def test_a_kernel_with_a_wrong_checksum_is_built_again_with_one_line(tmp_path):
    outcome(start_case(tmp_path))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    assert f"{path}: damaged: built again" in outcome(start_case(tmp_path))[2]
    assert outcome(start_case(tmp_path))[2] == ""


@needs_native
def test_a_cache_that_cannot_be_written_costs_a_build_and_nothing_else(tmp_path, capfd):
    (tmp_path / "file").touch()
    assert native.build(tmp_path / "file" / "lrn.so").lrn_float32
    assert capfd.readouterr().err.count("\n") == 1


def test_without_a_compiler_auto_is_banded_and_says_nothing(tmp_path):
    implementation, _, err = outcome(start_case(tmp_path, CXX="no-such-compiler"))
    assert (implementation, err) == ("banded", "")


def test_a_compiler_that_fails_is_named_with_its_first_words(tmp_path, monkeypatch):
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho out of licences >&2\necho more >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(native.Unavailable, match=r"cannot build the kernel: out of licences$"):
        native.build(tmp_path / "lrn.so")


@needs_native
def test_it_brings_no_second_openmp_runtime_into_the_process():
    local_response_norm(torch.ones(2, 8, 4, 4), 5, 1e-4, 0.75, 2.0, implementation="native")
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc on this system")
    files = {line.split()[-1] for line in maps.read_text().splitlines()}
    runtimes = {file for file in files if re.match(r"lib(g|i)?omp[^a-z]", Path(file).name)}
    assert len(runtimes) == 1


@needs_native
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_both_memory_formats_give_equal_bits_for_any_number_of_channels_and_pixels(size, dtype):
    draw = torch.Generator().manual_seed(0)
    for channels in (1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 17, 28, 65):
        for pixels in (1, 2, 4, 5, 61, 200):
            x, gradient = torch.randn(2, 1, channels, pixels, generator=draw, dtype=dtype)
            rows = x.movedim(1, -1).contiguous().movedim(-1, 1)
            window = {"size": size, "alpha": 0.1, "beta": 0.75, "k": 2.0}
            both = []
            for each in (x[..., None], rows[..., None]):
                each = each.clone(memory_format=torch.preserve_format).requires_grad_()
                y = local_response_norm(each, **window, implementation="native")
                both.append((y, *torch.autograd.grad(y, each, gradient[..., None])))
            for one, other in zip(*both, strict=True):
                assert torch.equal(one, other), (channels, pixels)


@needs_native
@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_bfloat16_gives_the_bits_of_float32_rounded_once(size, layout):
    draw = torch.Generator().manual_seed(0)
    for channels in (1, 6, 12, 32, 65):
        x, gradient = (30 * torch.randn(2, 3, channels, 5, 5, generator=draw)).bfloat16()
        results = []
        for dtype in (torch.bfloat16, torch.float32):
            each = x.to(dtype, memory_format=layout).requires_grad_()
            y = local_response_norm(each, size, 0.1, 0.75, 2.0, implementation="native")
            results.append((y, *torch.autograd.grad(y, each, gradient.to(dtype))))
        for half, full in zip(*results, strict=True):
            assert half.dtype == torch.bfloat16
            assert torch.equal(half, full.bfloat16()), channels


@needs_native
def test_bfloat16_keeps_infinity_and_what_is_no_number():
    x = torch.tensor([torch.nan, 1e18, 1e-40, -1.0]).bfloat16().view(4, 1, 1, 1)
    y = local_response_norm(x, 1, 0.0, 0.75, 1e-30, implementation="native")
    expected = local_response_norm(x.float(), 1, 0.0, 0.75, 1e-30, implementation="native")
    assert expected.isinf().flatten().tolist() == [False, True, False, False]
    torch.testing.assert_close(y, expected.bfloat16(), rtol=0, atol=0, equal_nan=True)


@needs_native
def test_a_value_that_is_not_a_number_stays_in_its_own_pixel():
    x = torch.ones(1, 6, 40, 1).contiguous(memory_format=torch.channels_last)
    x[0, 5, 7] = torch.nan
    x.requires_grad_()
    y = local_response_norm(x, 5, 1e-4, 0.75, 2.0, implementation="native")
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    for result in (y, dx):
        assert result.detach().isnan().any(dim=1).flatten().nonzero().flatten().tolist() == [7]
