"""Each layer against an answer worked out by hand, or against a plain loop."""

import math

import pytest
import torch
from torch import nn

from alexbench.config.schema import ModelConfig
from alexbench.models.layers import (
    ColumnLinear,
    Dropout,
    Gain,
    LocallyConnected,
    ScaledTanh,
    WithinMapNorm,
)
from alexbench.models.stage import local_response_norm, pooling


def pixel(*channels):
    """One image of one pixel."""
    return torch.tensor(channels, dtype=torch.float64).reshape(1, -1, 1, 1)


def ramp(side):
    return torch.arange(side * side, dtype=torch.float64).reshape(1, 1, side, side)


def drawn(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_lrn_as_the_paper_writes_it_multiplies_the_sum_by_alpha():
    lrn = local_response_norm(ModelConfig(lrn_alpha=0.1), columns=1)
    # kernels 0 to 2 are the window of kernel 0: 2 + 0.1 * (9 + 16) = 4.5; kernel 4 sees 2 to 4
    y = lrn(pixel(3, 0, 4, 0, 1))
    torch.testing.assert_close(y[0, 0, 0, 0].item(), 3 / 4.5**0.75)
    torch.testing.assert_close(y[0, 4, 0, 0].item(), 1 / (2 + 0.1 * 17) ** 0.75)


def test_lrn_as_run_divides_alpha_by_the_window():
    model = ModelConfig(lrn_alpha=0.1, lrn_alpha_reading="as_run")
    y = local_response_norm(model, columns=1)(pixel(3, 0, 4, 0, 1))
    torch.testing.assert_close(y[0, 0, 0, 0].item(), 3 / 2.5**0.75)  # 2 + 0.1 / 5 * 25


def test_lrn_has_no_window_across_two_columns():
    model = ModelConfig(lrn_alpha=0.1, lrn_k=1.0)
    y = local_response_norm(model, columns=2)(pixel(0, 0, 3, 4, 0, 0))
    torch.testing.assert_close(y[0, 2, 0, 0].item(), 3 / 1.9**0.75)
    torch.testing.assert_close(y[0, 3, 0, 0].item(), 4 / 2.6**0.75)


def test_gain_is_lrn_of_a_signal_without_energy():
    tiny = pixel(1e-9, 2e-9)
    lrn = local_response_norm(ModelConfig(), columns=1)
    torch.testing.assert_close(Gain(beta=0.75, k=2.0)(tiny), lrn(tiny))
    torch.testing.assert_close(Gain(beta=0.75, k=2.0)(pixel(1)), pixel(0.5**0.75))


def test_within_map_norm_divides_by_the_mean_square_around_each_pixel():
    image = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    image[0, 0] = torch.tensor([[1, 2, 0], [0, 3, 0], [0, 0, 5]])
    y = WithinMapNorm(size=3, scale=0.9)(image)
    # the corner sees 1 + 4 + 9 = 14 in its window of 9, zeros beyond the edge and no other map
    torch.testing.assert_close(y[0, 0, 0, 0].item(), 1 / (1 + 0.1 * 14) ** 0.75)
    torch.testing.assert_close(y[0, 0, 1, 1].item(), 3 / (1 + 0.1 * 39) ** 0.75)


def test_the_scaled_tanh_is_lecuns():
    y = ScaledTanh()(pixel(0, 1, -1, 100))
    torch.testing.assert_close(
        y, pixel(0, 1.7159 * math.tanh(2 / 3), -1.7159 * math.tanh(2 / 3), 1.7159)
    )
    assert abs(y[0, 1, 0, 0].item() - 1) < 1e-3


def test_overlapping_pools_clip_their_windows_at_the_edge():
    greatest = pooling(ModelConfig(), "max")(ramp(4))
    assert greatest.flatten().tolist() == [10, 11, 14, 15]
    mean = pooling(ModelConfig(), "average")(ramp(4))
    assert mean.flatten().tolist() == [5, 6.5, 11, 12.5]  # of 9, 6, 6 and 4 pixels


def test_non_overlapping_pools_read_two_by_two_and_leave_out_an_odd_last_row():
    model = ModelConfig(pooling="non_overlapping")
    assert pooling(model, "max")(ramp(5)).flatten().tolist() == [6, 8, 16, 18]
    assert pooling(model, "average")(ramp(4)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


@pytest.mark.parametrize("pool", ["max", "average"])
@pytest.mark.parametrize("scheme", ["overlapping", "non_overlapping"])
def test_both_poolings_halve_every_side(scheme, pool):
    layer = pooling(ModelConfig(pooling=scheme), pool)
    for side in range(2, 60):
        assert layer(ramp(side)).shape == (1, 1, side // 2, side // 2)


def training_dropout(p, seed):
    layer = Dropout(p)
    layer.generator = torch.Generator().manual_seed(seed)
    return layer


def test_dropout_drops_in_training_and_scales_in_testing():
    x = drawn((400, 500), seed=0)
    layer = training_dropout(0.3, seed=1)
    y = layer(x)
    kept = y != 0
    assert torch.equal(y[kept], x[kept])  # not divided by 1 - p
    assert kept.double().mean().item() == pytest.approx(0.7, abs=0.005)  # sd 0.001
    torch.testing.assert_close(layer.eval()(x), x * 0.7)


def test_the_mean_over_dropout_masks_is_the_output_in_testing():
    layer = training_dropout(0.5, seed=0)
    x = torch.tensor([[1.0, -2.0, 3.0]])
    mean = torch.stack([layer(x) for _ in range(4000)]).mean(dim=0)
    torch.testing.assert_close(mean, layer.eval()(x), atol=0.1, rtol=0)  # 4 sd of the third


def test_dropout_draws_from_its_own_stream():
    x = torch.ones(64, 64)
    before = torch.random.get_rng_state()
    layer = training_dropout(0.5, seed=3)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    assert torch.equal(first, training_dropout(0.5, seed=3)(x))
    assert not torch.equal(first, training_dropout(0.5, seed=4)(x))
    assert torch.equal(before, torch.random.get_rng_state())


def test_dropout_without_a_stream_does_not_train():
    with pytest.raises(AssertionError, match="set_dropout_stream"):
        Dropout(0.5)(torch.ones(1, 4))


def locally_connected(in_channels, out_channels, side):
    layer = LocallyConnected(in_channels, out_channels, side, kernel_size=3).double()
    nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(0))
    nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(1))
    return layer


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_locally_connected_layer_has_kernels_of_its_own_at_every_position(memory_format):
    side, in_channels, out_channels = 4, 3, 5
    layer = locally_connected(in_channels, out_channels, side)
    x = drawn((2, in_channels, side, side), seed=2).contiguous(memory_format=memory_format)
    expected = torch.zeros(2, out_channels, side, side, dtype=torch.float64)
    kernels = layer.weight.detach().reshape(side, side, out_channels, 3, 3, in_channels)
    for row in range(side):
        for column in range(side):
            expected[:, :, row, column] += layer.bias.detach()[row * side + column]
            for i in range(3):
                for j in range(3):
                    y, z = row + i - 1, column + j - 1
                    if 0 <= y < side and 0 <= z < side:
                        expected[:, :, row, column] += (
                            x[:, :, y, z] @ kernels[row, column, :, i, j].T
                        )
    torch.testing.assert_close(layer(x), expected)


def test_the_gradient_of_a_locally_connected_layer_is_that_of_its_output():
    layer = locally_connected(2, 3, side=3)
    x = drawn((2, 2, 3, 3), seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, layer.weight, layer.bias))


def test_with_equal_kernels_everywhere_it_is_a_convolution():
    layer, conv = locally_connected(2, 3, side=4), nn.Conv2d(2, 3, 3, padding=1).double()
    with torch.no_grad():
        layer.weight.copy_(conv.weight.permute(0, 2, 3, 1).flatten(1).expand_as(layer.weight))
        layer.bias.copy_(conv.bias.expand_as(layer.bias))
    x = drawn((2, 2, 4, 4), seed=3)
    torch.testing.assert_close(layer(x), conv(x))


def test_a_column_linear_layer_is_a_linear_layer_in_each_column():
    layer = ColumnLinear(3, 2, columns=2).double()
    weight, bias, x = drawn((4, 3), seed=0), drawn((4,), seed=1), drawn((5, 6), seed=2)
    layer.load_state_dict({"weight": weight, "bias": bias})
    expected = torch.cat(
        [x[:, :3] @ weight[:2].T + bias[:2], x[:, 3:] @ weight[2:].T + bias[2:]], dim=1
    )
    torch.testing.assert_close(layer(x), expected)
