"""Local response normalization: every implementation against the formula, and what is refused."""

import math

import numpy as np
import pytest
import torch

from alexbench.errors import BadInput
from alexbench.kernels import IMPLEMENTATIONS, local_response_norm, resolve, why_not
from tests.kernels.lrn_reference import reference

PAPER = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
CPU = torch.device("cpu")
FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def implementation(name):
    reason = why_not(name, CPU)
    mark = pytest.mark.skipif(reason is not None, reason=f"{name}: {reason}")
    return pytest.param(name, marks=mark)


# compiled is `slices` through torch.compile, seconds a shape: one test of its own below
EVERY = [implementation(name) for name in IMPLEMENTATIONS if name not in ("compiled", "triton")]
OWN = [implementation(name) for name in ("slices", "banded", "native")]


def random_case(shape, seed=0, dtype=torch.float32, scale=50.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=dtype) * scale
    return x, torch.randn(shape, generator=generator, dtype=dtype)


def both_passes(x, g, name, parameters, groups=1):
    x = x.detach().requires_grad_()
    y = local_response_norm(x, **parameters, implementation=name, groups=groups)
    (dx,) = torch.autograd.grad(y, x, g)
    return y.detach(), dx


def worst_error(x, g, name, parameters, groups=1):
    y, dx = both_passes(x, g, name, parameters, groups)
    y_true, dx_true, scale = reference(x, g, **parameters, groups=groups)
    nonzero = y_true != 0
    assert not y.numpy()[~nonzero].any()
    forward = np.abs(y.numpy() - y_true)[nonzero] / np.abs(y_true)[nonzero]
    backward = np.abs(dx.numpy() - dx_true) / np.where(scale, scale, 1)
    return max(forward.max(initial=0), backward.max(initial=0))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 12])
def test_agrees_with_the_formula_for_even_and_odd_sizes(name, layout, size):
    x, g = random_case((2, 10, 3, 7), seed=size)
    x = x.contiguous(memory_format=FORMATS[layout])
    for beta, k in ((0.75, 2.0), (0.6, 1.0)):
        parameters = {"size": size, "alpha": 1e-3, "beta": beta, "k": k}
        assert worst_error(x, g, name, parameters) < 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_agrees_with_the_formula_on_random_shapes(name):
    rng = np.random.default_rng(1)
    for seed in range(12):
        images, channels, height, width = (int(n) for n in rng.integers(1, [4, 40, 20, 20]))
        x, g = random_case((images, channels, height, width), seed, scale=10 ** rng.uniform(-3, 3))
        x = x.contiguous(memory_format=list(FORMATS.values())[seed % 2])
        parameters = {"size": int(rng.integers(1, 12)), "alpha": 1e-2, "beta": 0.75, "k": 1.5}
        assert worst_error(x, g, name, parameters) < 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_windows_wider_than_all_channels_are_clipped_but_alpha_is_still_divided_by_size(name):
    x, g = random_case((2, 3, 4, 4))
    assert worst_error(x, g, name, {**PAPER, "size": 30}) < 1e-5


@pytest.mark.parametrize("name", OWN)
def test_a_window_of_a_billion_channels_costs_no_more_than_one_of_all(name):
    x, g = random_case((2, 3, 4, 4))
    y, _ = both_passes(x, g, name, {**PAPER, "size": 10**9})
    torch.testing.assert_close(y, x * 2**-0.75)


@pytest.mark.parametrize("name", EVERY)
def test_zeros_stay_zeros_and_let_the_gradient_through_with_the_gain_of_k(name):
    x, g = random_case((2, 8, 3, 3))
    y, dx = both_passes(torch.zeros_like(x), g, name, PAPER)
    assert not y.any()
    torch.testing.assert_close(dx, g * 2**-0.75)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("shape", [(0, 8, 3, 3), (2, 8, 0, 3)])
def test_empty_batches_and_images_pass_through(name, layout, shape):
    if name == "torch" and 0 in shape[1:]:
        pytest.skip("torch's own pooling refuses empty images")
    x = torch.empty(shape).contiguous(memory_format=FORMATS[layout])
    y, dx = both_passes(x, torch.empty(shape), name, PAPER)
    assert y.shape == dx.shape == shape


@pytest.mark.parametrize("name", EVERY)
def test_non_contiguous_inputs_and_gradients_give_the_same_as_contiguous_ones(name):
    whole, gradient = random_case((4, 12, 10, 9))
    for cut in (
        lambda t: t[:, 1:11],
        lambda t: t[:, ::2, 1:, ::3],
        lambda t: t.transpose(2, 3),
        lambda t: t.contiguous(memory_format=torch.channels_last)[:, 2:9],
        lambda t: t[:1].expand(3, -1, -1, -1),
    ):
        x, g = cut(whole), cut(gradient)
        y, dx = both_passes(x, g, name, PAPER)
        y_true, dx_true = both_passes(x.contiguous(), g.contiguous(), name, PAPER)
        torch.testing.assert_close(y, y_true)
        torch.testing.assert_close(dx, dx_true)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layout", FORMATS)
def test_rectified_it_is_the_normalization_of_a_relu_to_the_last_bit(name, layout):
    x, g = random_case((2, 12, 5, 5))
    x[0, 3] = 0.0
    x[1, 2, 0, 0] = torch.nan
    x = x.contiguous(memory_format=FORMATS[layout])
    results = []
    for rectify in (False, True):
        own = x.clone().requires_grad_()
        given = own if rectify else own.relu()
        y = local_response_norm(given, **PAPER, implementation=name, groups=2, rectify=rectify)
        results.append((y, *torch.autograd.grad(y, own, g)))
    for apart, at_once in zip(*results, strict=True):
        assert apart.isnan().any()
        torch.testing.assert_close(at_once, apart, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", EVERY)
def test_a_gradient_that_is_one_number_expanded_is_understood(name):
    x, _ = random_case((2, 6, 4, 4))
    x.requires_grad_()
    (dx,) = torch.autograd.grad(local_response_norm(x, **PAPER, implementation=name).sum(), x)
    _, dx_true, scale = reference(x.detach(), np.ones(x.shape), **PAPER)
    assert (np.abs(dx.numpy() - dx_true) / scale).max() < 1e-5


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_the_result_keeps_the_memory_format(name, groups):
    x, _ = random_case((2, 12, 5, 6))
    for layout in FORMATS.values():
        x = x.contiguous(memory_format=layout)
        y = local_response_norm(x, **PAPER, implementation=name, groups=groups)
        assert y.stride() == x.stride()


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layout", FORMATS)
def test_groups_equal_one_normalization_a_group(name, layout):
    x, g = random_case((2, 12, 5, 6))
    x = x.contiguous(memory_format=FORMATS[layout])
    for groups in (2, 3, 12):
        assert worst_error(x, g, name, PAPER, groups) < 1e-5
        parts = [
            both_passes(*part, name, PAPER)
            for part in zip(x.chunk(groups, 1), g.chunk(groups, 1), strict=True)
        ]
        y, dx = both_passes(x, g, name, PAPER, groups)
        torch.testing.assert_close(y, torch.cat([part[0] for part in parts], 1))
        torch.testing.assert_close(dx, torch.cat([part[1] for part in parts], 1))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize(("size", "beta", "groups"), [(5, 0.75, 2), (4, 0.5, 1), (9, 0.75, 1)])
def test_the_backward_pass_is_the_derivative_of_the_forward_pass(name, layout, size, beta, groups):
    x, _ = random_case((2, 8, 2, 3), dtype=torch.float64, scale=2.0)
    x = x.contiguous(memory_format=FORMATS[layout]).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: local_response_norm(x, size, 0.5, beta, 1.2, name, groups), (x,), fast_mode=True
    )


@pytest.mark.parametrize("name", EVERY)
def test_float64_is_computed_in_float64(name):
    x, g = random_case((2, 9, 5, 4), dtype=torch.float64)
    assert worst_error(x, g, name, PAPER) < 1e-13


@pytest.mark.parametrize("name", OWN)
def test_torch_gives_the_same(name):
    x, g = random_case((4, 32, 8, 8))
    parameters = {**PAPER, "alpha": 1e-4}
    y, dx = both_passes(x, g, name, parameters)
    y_torch, dx_torch = both_passes(x, g, "torch", parameters)
    torch.testing.assert_close(y, y_torch, rtol=2e-6, atol=1e-6)
    torch.testing.assert_close(dx, dx_torch, rtol=2e-6, atol=1e-6)


def test_images_of_one_and_three_dimensions_are_normalized_too():
    for shape in ((2, 6, 7), (2, 6, 3, 2, 4)):
        x, g = random_case(shape)
        assert worst_error(x, g, "auto", PAPER) < 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_twice_the_same_call_gives_the_same_bits(name):
    x, g = random_case((8, 32, 16, 16))
    x = x.contiguous(memory_format=torch.channels_last)
    first, second = both_passes(x, g, name, PAPER), both_passes(x, g, name, PAPER)
    assert all(map(torch.equal, first, second))


@pytest.mark.slow  # the first call of a process takes from 5 seconds to a minute
@pytest.mark.filterwarnings("ignore")  # torch.compile's own, which change with its version
@pytest.mark.parametrize("name", [implementation("compiled")])
def test_compiled_agrees_with_the_formula_and_is_differentiated_rightly(name):
    x, g = random_case((2, 10, 3, 7))
    assert worst_error(x, g, name, PAPER) < 1e-5
    assert torch.autograd.gradcheck(
        lambda x: local_response_norm(x, 5, 0.5, 0.75, 1.2, name), (x.double().requires_grad_(),)
    )


def test_auto_on_the_cpu_is_native_where_it_can_be_built_and_else_banded():
    expected = "banded" if why_not("native", CPU) else "native"
    assert resolve("cpu") == expected
    x, g = random_case((2, 8, 4, 4))
    assert all(
        map(torch.equal, both_passes(x, g, "auto", PAPER), both_passes(x, g, expected, PAPER))
    )


def test_auto_on_a_device_that_it_does_not_know_is_plain_torch():
    assert resolve("meta") == "slices"
    assert local_response_norm(torch.empty(2, 8, 4, 4, device="meta"), **PAPER).shape == (
        2,
        8,
        4,
        4,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size is 0, needs a whole number from 1 on"),
        ({"size": 2.5}, "size is 2.5, needs a whole number from 1 on"),
        ({"k": -1.0}, "k is -1.0, needs a finite number above 0"),
        ({"k": 0.0}, "k is 0.0, needs a finite number above 0"),
        ({"k": math.nan}, "k is nan, needs a finite number above 0"),
        ({"alpha": math.nan}, "alpha is nan, needs a finite number from 0 on"),
        ({"alpha": -1e-4}, "alpha is -0.0001, needs a finite number from 0 on"),
        ({"beta": math.inf}, "beta is inf, needs a finite number from 0 on"),
        ({"groups": 4}, "6 channels do not divide into 4 groups"),
        ({"groups": 0}, "6 channels do not divide into 0 groups"),
        (
            {"x": torch.ones(2, 6, 3, 3, dtype=torch.int64)},
            "x is torch.int64 on cpu, needs float32",
        ),
        (
            {"x": torch.ones(2, 6, 3, 3).half()},
            "x is torch.float16 on cpu, needs float32, float64 or bfloat16",
        ),
        ({"x": torch.ones(2, 6)}, "x has 2 dimensions, needs (N, C, ...) with at least 3"),
        ({"implementation": "fast"}, "implementation 'fast': unknown; known are auto, torch,"),
        ({"implementation": "triton"}, "implementation 'triton': "),
    ],
)
def test_what_cannot_be_normalized_is_refused_in_one_line(change, message, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    arguments = {"x": torch.ones(2, 6, 3, 3), **PAPER} | change
    with pytest.raises(BadInput) as caught:
        local_response_norm(**arguments)
    assert str(caught.value).startswith(f"local_response_norm: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["torch", "slices", "banded", "triton"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", FORMATS)
def test_on_cuda_every_implementation_agrees_with_the_formula(name, dtype, layout):
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-13, torch.float16: 2e-3}.get(dtype, 2e-2)
    x, g = (t.cuda().to(dtype) for t in random_case((3, 12, 9, 7), scale=5.0))
    x = x.contiguous(memory_format=FORMATS[layout])
    for groups in (1, 2):
        y, dx = (t.double().cpu().numpy() for t in both_passes(x, g, name, PAPER, groups))
        y_true, dx_true, scale = reference(
            x.double().cpu(), g.double().cpu(), **PAPER, groups=groups
        )
        assert (np.abs(y - y_true) / np.abs(y_true)).max() < tolerance
        assert (np.abs(dx - dx_true) / scale).max() < tolerance


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_auto_trains_in_deterministic_mode():
    x, g = (t.cuda() for t in random_case((3, 12, 9, 7)))
    torch.use_deterministic_algorithms(True)
    try:
        first, second = both_passes(x, g, "auto", PAPER), both_passes(x, g, "auto", PAPER)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(map(torch.equal, first, second))


def test_auto_leaves_triton_alone_where_no_c_compiler_is(monkeypatch):
    pytest.importorskip("triton", reason="the triton package is not installed")
    for name in ("CC", "TRITON_INTERPRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    assert why_not("triton", "cuda").startswith("Triton needs a C compiler")
    assert resolve("cuda") == "slices"
    monkeypatch.setenv("CC", "cc")
    assert resolve("cuda") == "triton"
