"""The paper's update rule and schedules, with answers worked out by hand."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from alexbench import models
from alexbench.config.schema import ModelConfig, TrainConfig
from alexbench.training.optimizer import (
    PaperSGD,
    build_optimizer,
    learning_rate,
    plateaus,
    set_learning_rate,
    stalled,
)


def one_weight(value: float, gradient: float) -> nn.Parameter:
    weight = nn.Parameter(torch.tensor([value], dtype=torch.float64))
    weight.grad = torch.tensor([gradient], dtype=torch.float64)
    return weight


def test_two_steps_of_the_update_rule_by_hand():
    weight = one_weight(2.0, 0.5)
    sgd = PaperSGD([{"params": [weight], "weight_decay": 0.1}], lr=0.01, momentum=0.9)
    sgd.step()  # v = -0.01 (0.1 * 2 + 0.5) = -0.007
    assert weight.item() == pytest.approx(1.993, abs=1e-12)
    sgd.step()  # v = 0.9 * -0.007 - 0.01 (0.1 * 1.993 + 0.5) = -0.013293
    assert weight.item() == pytest.approx(1.979707, abs=1e-12)


def test_a_lower_rate_leaves_the_velocity_of_the_past_as_it_was():
    weight = one_weight(0.0, 1.0)
    sgd = PaperSGD([{"params": [weight], "lr_factor": 1.0}], lr=1.0, momentum=0.5)
    sgd.step()  # v = -1
    set_learning_rate(sgd, 0.1)
    sgd.step()  # v = 0.5 * -1 - 0.1 = -0.6; torch.optim.SGD would give -0.15
    assert weight.item() == pytest.approx(-1.6)


def test_at_a_constant_rate_the_rule_is_torchs_own():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    sgd = build_optimizer(ours, TrainConfig(lr=0.1, weight_decay=0.01))
    reference = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(5):
        inputs = torch.randn(4, 3)
        for net, optimizer in ((ours, sgd), (theirs, reference)):
            optimizer.zero_grad()
            net(inputs).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_biases_can_learn_twice_as_fast_and_without_decay():
    net = nn.Linear(1, 1)
    for weight in net.parameters():
        weight.data.fill_(1.0)
        weight.grad = torch.ones_like(weight)
    recipe = TrainConfig(lr=0.1, weight_decay=0.5, bias_lr_factor=2.0, decay_biases=False)
    build = build_optimizer(net, recipe)
    set_learning_rate(build, recipe.lr)
    build.step()
    assert net.weight.item() == pytest.approx(1 - 0.1 * (1 + 0.5))
    assert net.bias.item() == pytest.approx(1 - 0.2)


def test_adam_is_torchs_with_the_same_groups():
    groups = build_optimizer(nn.Linear(1, 1), TrainConfig(optimizer="adam", lr=1e-3)).param_groups
    assert [group["weight_decay"] for group in groups] == [5e-4, 5e-4]
    assert "betas" in groups[0]


@pytest.mark.parametrize(
    ("schedule", "epochs_done", "expected"),
    [
        ("constant", 7.0, 0.8),
        ("linear", 2.5, 0.6),
        ("linear", 10.0, 0.0),
        ("cosine", 5.0, 0.4),
        ("step", 3.9, 0.8),
        ("step", 4.0, 0.08),
        ("step", 8.5, 0.008),
        ("stairs", 2.4, 0.8),
        ("stairs", 2.5, 0.08),
        ("stairs", 9.9, 0.0008),
    ],
)
def test_the_learning_rate_at_a_moment(schedule, epochs_done, expected):
    recipe = TrainConfig(
        lr=0.8, epochs=10, schedule=schedule, lr_drop_epochs=(4, 8), stairs_ratio=1000.0
    )
    assert learning_rate(recipe, epochs_done, []) == pytest.approx(expected)


def test_a_plateau_is_so_many_epochs_without_a_new_best():
    assert plateaus([50, 40, 40, 41], patience=2, most=3) == 1
    assert plateaus([50, 40, 41, 39, 40], patience=2, most=3) == 0
    assert plateaus([50, 50, 50, 50, 50], patience=2, most=3) == 2  # counts anew after a drop
    assert plateaus([50] * 20, patience=2, most=3) == 3


def test_the_plateau_schedule_divides_the_rate_after_each_plateau():
    recipe = TrainConfig(lr=0.01, plateau_patience=2)
    assert learning_rate(recipe, 3.0, [50, 40, 41]) == 0.01
    assert learning_rate(recipe, 4.0, [50, 40, 41, 42]) == pytest.approx(0.001)


def one_step(recipe: TrainConfig, lr: float) -> dict[str, float]:
    """How far each parameter of a two-layer net moves with weights 1 and gradients 1."""
    net = nn.Sequential(OrderedDict(first=nn.Linear(1, 1), second=nn.Linear(1, 1)))
    for parameter in net.parameters():
        parameter.data.fill_(1.0)
        parameter.grad = torch.ones_like(parameter)
    optimizer = build_optimizer(net, recipe)
    set_learning_rate(optimizer, lr)
    optimizer.step()
    return {name: 1 - parameter.item() for name, parameter in net.named_parameters()}


def test_a_layer_can_have_a_decay_of_its_own():
    recipe = TrainConfig(lr=0.1, weight_decay=0.5, layer_weight_decay={"second": 3.0})
    moved = one_step(recipe, lr=0.1)
    assert moved["first.weight"] == pytest.approx(0.1 * (1 + 0.5))
    assert moved["second.weight"] == pytest.approx(0.1 * (1 + 3.0))
    without_decay = recipe.model_copy(update={"decay_biases": False})
    assert one_step(without_decay, lr=0.1)["second.bias"] == pytest.approx(0.1)


def test_a_layer_can_have_a_rate_of_its_own_and_none_stands_still():
    factors = {"first": 0.0, "second": 2.0}
    recipe = TrainConfig(lr=0.1, weight_decay=0.0, bias_lr_factor=3.0, layer_lr_factor=factors)
    moved = one_step(recipe, lr=0.1)
    assert moved["first.weight"] == moved["first.bias"] == 0
    assert moved["second.weight"] == pytest.approx(0.2)
    assert moved["second.bias"] == pytest.approx(0.6)


def test_the_weights_of_a_layer_can_have_a_rate_apart_from_its_biases():
    recipe = TrainConfig(
        lr=0.1,
        weight_decay=0.0,
        bias_lr_factor=3.0,
        layer_lr_factor={"second": 2.0},
        layer_weight_lr_factor={"first": 0.0, "second": 5.0},
    )
    moved = one_step(recipe, lr=0.1)
    assert moved["first.weight"] == 0
    assert moved["first.bias"] == pytest.approx(0.3)
    assert moved["second.weight"] == pytest.approx(1.0)
    assert moved["second.bias"] == pytest.approx(0.6)


def losses_in_float64(scale: float, recipe: dict[str, object]) -> list[float]:
    """Of 12 steps of a narrow cifar4 with released deviations, on pixels divided by ``scale``."""
    model = ModelConfig(name="cifar4", width=0.25, init="as_run", bias_init=0.0)
    net = models.build(model, 10, 16, seed=0, input_scale=scale).double()
    train = TrainConfig(lr=0.2, momentum=0.9, decay_biases=False, **recipe)
    optimizer = build_optimizer(net, train)
    set_learning_rate(optimizer, train.lr)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(12):
        labels = torch.arange(30) % 10  # and the brightness tells them
        noise = torch.randint(-20, 20, (30, 3, 16, 16), generator=generator)
        pixels = noise + 20 * (labels - 4)[:, None, None, None]
        loss = nn.functional.cross_entropy(net(pixels.double() / scale), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_divided_inputs_train_as_raw_ones_do_at_the_square_of_the_divisor(decay):
    """Weights and their steps are 64 times larger, gradients 64 times smaller: hence 64**2."""
    divided = {
        "layer_weight_lr_factor": {"conv1": 64.0**2},
        "layer_weight_decay": {"conv1": decay / 64**2},
    }
    raw = losses_in_float64(1.0, {"weight_decay": decay})
    assert max(raw) - min(raw) > 0.01  # they are trained
    assert losses_in_float64(64.0, {"weight_decay": decay} | divided) == pytest.approx(
        raw, rel=1e-12
    )
    other = losses_in_float64(64.0, {"weight_decay": decay})  # at equal rates
    assert other != pytest.approx(raw, rel=0.01)


def test_the_biases_can_keep_their_rate_when_the_weights_rate_falls():
    recipe = TrainConfig(lr=0.1, weight_decay=0.0, bias_lr_factor=2.0, anneal_biases=False)
    moved = one_step(recipe, lr=0.001)
    assert moved["first.weight"] == pytest.approx(0.001, rel=1e-3)
    assert moved["first.bias"] == pytest.approx(0.2)


def test_training_can_end_when_the_error_no_longer_falls():
    recipe = TrainConfig(stop_patience=2)
    assert not stalled(recipe, [50, 40, 41])
    assert stalled(recipe, [50, 40, 41, 40])
    assert not stalled(TrainConfig(), [50] * 30)


def test_a_layer_can_have_a_rate_by_hand_and_be_frozen_with_its_biases():
    hand = {"first": ((3.0, 0.01), (5.0, 0.0))}
    recipe = TrainConfig(lr=0.1, weight_decay=0.0, bias_lr_factor=2.0, layer_lr=hand)
    rates = {}
    for epochs_done in (2.9, 3.0, 5.0):
        optimizer = build_optimizer(
            nn.Sequential(OrderedDict(first=nn.Linear(1, 1), second=nn.Linear(1, 1))), recipe
        )
        set_learning_rate(optimizer, 0.1, epochs_done)
        rates[epochs_done] = [group["lr"] for group in optimizer.param_groups]
    # the weights and the biases of the others, then those of the first layer
    assert rates == {
        2.9: [0.1, 0.2, 0.1, 0.2],
        3.0: [0.1, 0.2, 0.01, 0.2],
        5.0: [0.1, 0.2, 0.0, 0.0],
    }


def test_the_biases_can_have_a_schedule_of_their_own():
    recipe = TrainConfig(lr=0.1, bias_lr=((0.0, 0.02), (48.0, 0.002)))
    optimizer = build_optimizer(nn.Linear(1, 1), recipe)
    for epochs_done, rate in ((0.0, 0.02), (47.9, 0.02), (48.0, 0.002)):
        set_learning_rate(optimizer, 0.1, epochs_done)
        assert [group["lr"] for group in optimizer.param_groups] == [0.1, rate]
