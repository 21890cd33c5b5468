"""Nets, activations and optimizers of one's own: what they get, and what is wrong with them."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from alexbench import models
from alexbench.config import own_parts
from alexbench.config.schema import Config
from alexbench.errors import BadInput
from alexbench.models.own import own_gain
from alexbench.training.checkpoint import Stopped
from alexbench.training.own import check_own_parts
from alexbench.training.train import start
from tests.tiny import CPU, tiny_config
from tests.training.test_checkpoint import checkpoints, result, run

# everything that has a state: batch normalization, dropout, an optimizer with a number of its own
PARTS = """
import torch
from torch import nn


def build(model, num_classes, input_size):
    assert (model.width, input_size) == (0.25, 16)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(7),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, num_classes),
    )


def swish(x):
    return x * torch.sigmoid(x)


class Fading(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            group["fade"] = group.get("fade", 1.0) * 0.9
            group["lr"] *= group["fade"]
        super().step(closure)


def make(groups, train):
    return Fading(groups, lr=train.lr, momentum=train.momentum)
"""


def own(function: str, text: str = PARTS) -> str:
    return f"./parts.py:{function}@{own_parts.remember(text)}"


def config(text: str = PARTS, **keys: str) -> Config:
    """A tiny configuration with own parts: ``net="build"``, ``activation=``, ``optimizer=``."""
    model = {"name": own(keys["net"], text)} if "net" in keys else {}
    if "activation" in keys:
        model["activation"] = own(keys["activation"], text)
    train = {"optimizer": own(keys["optimizer"], text)} if "optimizer" in keys else {}
    return tiny_config(model=model, train={"batch_size": 20, **train})


EACH: list[dict[str, Any]] = [
    {"net": "build", "optimizer": "make"},
    {"net": "build"},
    {"activation": "swish"},
]


@pytest.mark.parametrize("parts", EACH)
def test_a_run_that_was_stopped_ends_as_if_it_never_was(parts, tmp_path):
    undisturbed = result(run(config(**parts)))
    for batches in (2, 3, 4):  # within the first epoch, between, within the second
        with pytest.raises(Stopped):
            run(config(**parts), checkpoints(tmp_path, stop_after=batches))
    heard: list[str] = []
    assert result(run(config(**parts), checkpoints(tmp_path, heard=heard))) == undisturbed
    assert heard[0].startswith("resumed after 1 epochs")


def test_running_means_are_those_of_the_run_that_was_not_stopped(tmp_path):
    with pytest.raises(Stopped):
        run(config(net="build"), checkpoints(tmp_path, stop_after=3))
    again, once = run(config(net="build"), checkpoints(tmp_path)), run(config(net="build"))
    for name, buffer in once.net.named_buffers():
        assert torch.equal(buffer, dict(again.net.named_buffers())[name]), name
    assert dict(once.net.named_buffers())["net.1.num_batches_tracked"] > 0


def test_a_seed_decides_the_first_weights_whatever_was_drawn_before():
    nets = []
    for seed in (0, 0, 1):
        torch.rand(5)
        nets.append(models.build(config(net="build").model, 3, 16, seed).state_dict())
    assert torch.equal(nets[0]["net.0.weight"], nets[1]["net.0.weight"])
    assert not torch.equal(nets[0]["net.0.weight"], nets[2]["net.0.weight"])


def test_alexbenchs_own_dropout_draws_anew_in_an_own_net():
    text = (
        "from alexbench.models.layers import Dropout\n\ndef build(*_):\n    return Dropout(0.5)\n"
    )
    net = models.build(config(text, net="build").model, 3, 16, seed=0)
    models.set_dropout_stream(net, torch.Generator().manual_seed(0))
    masks = [net(torch.ones(100)) for _ in range(2)]
    assert not torch.equal(*masks)


def test_the_gain_of_an_activation_keeps_the_mean_square():
    text = "from torch import relu, relu_\n\ndef double(x):\n    return 2 * x\n"
    assert own_gain(own("relu", text)) == pytest.approx(math.sqrt(2), abs=5e-4)
    assert own_gain(own("relu_", text)) == own_gain(own("relu", text))  # changes its input
    assert own_gain(own("double", text)) == 0.5
    with pytest.raises(BadInput, match=r"./parts.py:zeros_like: its outputs are all 0"):
        own_gain(own("zeros_like", "from torch import zeros_like\n"))


def test_an_activation_stands_in_every_layer_before_its_pool():
    without_norms = config(activation="swish").model.model_copy(update={"lrn": "none"})
    net = models.build(without_norms, 3, 16, seed=0)
    names = [name for name, _ in net.named_children()]
    assert names.index("activation1") < names.index("pool1")
    assert [str(layer) for layer in net if "activation" in str(type(layer)).lower()] == [
        "OwnActivation(./parts.py:swish)"
    ] * 3
    assert not any(isinstance(layer, nn.ReLU) for layer in net.modules())


def test_the_optimizer_gets_groups_with_their_decay_and_the_schedule_sets_their_rates():
    state = start(config(optimizer="make"), 3, 0, CPU)
    assert type(state.optimizer).__name__ == "Fading"
    assert [group["weight_decay"] for group in state.optimizer.param_groups] == [5e-4, 5e-4]
    assert [len(group["params"]) for group in state.optimizer.param_groups] == [4, 4]
    history = run(config(optimizer="make")).history
    assert [row["lr"] for row in history] == [0.02, 0.02]


NET = "from torch import nn\nimport torch\n\ndef build(model, num_classes, input_size):\n    "
SHORT = "return nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, {}))"
NAMED = SHORT.format(3).replace("return", "net =") + "\n    {}\n    return net"
MAKE = "import torch\n\ndef make(groups, train):\n    return "


@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        ("def build(:", {"net": "build"}, "^./parts.py:build: line 1: SyntaxError: [^<]*$"),
        ("x = 1 / 0", {"net": "build"}, "line 1: ZeroDivisionError: division by zero$"),
        ("x = 1", {"net": "build"}, "./parts.py:build: parts.py has no function 'build'$"),
        (
            NET + "return 3",
            {"net": "build"},
            "./parts.py:build: returns int, not a torch.nn.Module",
        ),
        (NET + "raise OSError('a\\nb')", {"net": "build"}, "line 5: OSError: a$"),
        (
            "class Mute(Exception):\n    def __str__(self):\n        return 1 / 0\n\nraise Mute",
            {"net": "build"},
            "^./parts.py:build: line 5: Mute$",
        ),
        ("class Gone(BaseException): pass\nraise Gone('x')", {"net": "build"}, "line 2: Gone: x$"),
        (NET + "raise SystemExit(0)", {"net": "build"}, "line 5: SystemExit: 0$"),
        (NET + SHORT.format(4), {"net": "build"}, r"of shape \(2, 4\) where \(2, 3\) are logits"),
        (
            NET + SHORT.format(3).replace("Flatten", "Tanh"),
            {"net": "build"},
            "^./parts.py:build: RuntimeError: .*reduction dim",
        ),
        (
            NET + NAMED.format("net[1].bias.requires_grad = False"),
            {"net": "build"},
            "build: no gradient reaches 1.bias: it is frozen, or not used$",
        ),
        (
            NET + NAMED.format("net[1].spare = nn.Linear(1, 1)"),
            {"net": "build"},
            "build: no gradient reaches 1.spare.weight: it is frozen, or not used$",
        ),
        (
            "def f(x):\n    return None",
            {"activation": "f"},
            "returns NoneType for a tensor of shape",
        ),
        (
            "def f(x):\n    return x.sum()",
            {"activation": "f"},
            "returns Tensor of shape .. for a ten",
        ),
        ("def f(x):\n    return x.foo", {"activation": "f"}, "f: line 2: AttributeError: "),
        (
            MAKE + "None",
            {"optimizer": "make"},
            "make: returns NoneType, not a torch.optim.Optimizer",
        ),
        (
            MAKE + "torch.optim.SGD(groups[:1], lr=1.0)",
            {"optimizer": "make"},
            "the optimizer has other weights than the groups that it was given",
        ),
        (
            MAKE + "torch.optim.LBFGS(sum([g['params'] for g in groups], []))",
            {"optimizer": "make"},
            "^./parts.py:make: TypeError: .*closure",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line_before_the_first_step(text, keys, said):
    with pytest.raises(BadInput, match=said) as told:
        check_own_parts(config(text, **keys), 3)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("parts", EACH)
def test_what_can_train_passes(parts):
    check_own_parts(config(**parts), 3)
