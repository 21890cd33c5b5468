"""What a net makes of single images: its five likeliest classes, and their nearest neighbours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from alexbench.config.execution import Slot
from alexbench.data import HeldSplit, Pixels
from alexbench.errors import BadInput
from alexbench.runs import pictures
from alexbench.runs.run import Run
from alexbench.runs.store import RunStore
from alexbench.training.evaluate import LARGEST_BATCH
from alexbench.training.predictions import NEIGHBOURS, check_pictured, forward, predict
from alexbench.training.runner import perform, take_pictures
from alexbench.training.train import start
from tests.tiny import CPU, tiny_config, tiny_data

DATA, CONFIG = tiny_data(), tiny_config()
PIXELS = Pixels(DATA.train, CONFIG.data, CONFIG.augment, CPU)


def colours_only() -> nn.Sequential:
    """A net whose last hidden layer holds the mean colour of the image."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    torch.nn.init.eye_(net[2].weight)
    return net


def mean_colours(split: HeldSplit) -> np.ndarray:
    inputs = PIXELS.centre(split.images)
    return inputs.mean((2, 3)).double().numpy()


def test_the_neighbours_are_the_nearest_training_images_by_the_last_hidden_layer():
    assert isinstance(DATA.train, HeldSplit)
    assert isinstance(DATA.test, HeldSplit)
    shown = torch.tensor([4, 0])
    found, searched = predict(colours_only(), DATA, PIXELS, shown, None)
    assert searched == 48
    ours, theirs = mean_colours(DATA.test)[shown], mean_colours(DATA.train)
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(2))
    for example, row in zip(found, distances, strict=True):
        nearest = np.sort(row)[:NEIGHBOURS]
        assert [n.distance for n in example.neighbours] == pytest.approx(nearest.tolist(), rel=1e-3)
        labels = DATA.train.labels[np.argsort(row)[:NEIGHBOURS].tolist()].tolist()
        assert [n.label for n in example.neighbours] == [DATA.classes[label] for label in labels]
    assert [example.label for example in found] == ["class 1", "class 0"]


def test_pictures_of_a_run_in_bf16_are_what_its_net_says_in_bf16():
    class Watched(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = super().forward(x)
            seen.add(y.dtype)
            return y

    seen: set[torch.dtype] = set()
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), Watched(3, 3))
    for precision, found in (("bf16", torch.bfloat16), ("ieee", torch.float32)):
        seen.clear()
        config = tiny_config(train={"precision": precision})
        taken = take_pictures(
            Run("pets", "laptop", "none", 0, "measure", config, {}, "id"), DATA, net, CPU
        )
        assert seen == {found}
        assert len(taken.examples[0].neighbours) == NEIGHBOURS


def test_a_training_image_is_its_own_nearest_neighbour():
    state, data = start(CONFIG, 3, 0, CPU), tiny_data(LARGEST_BATCH + 20)
    same = replace(data, test=data.train)
    found, searched = predict(state.net, same, PIXELS, torch.tensor([13]), None)
    assert searched > LARGEST_BATCH  # in more batches than one
    assert found[0].neighbours[0].distance == pytest.approx(0, abs=1e-4)
    assert found[0].neighbours[0].image == found[0].image


def test_probabilities_are_those_of_the_net_in_test_mode():
    state = start(tiny_config(model={"hidden_units": 8, "dropout": 0.5}), 3, 0, CPU)
    (example,), _ = predict(state.net, DATA, PIXELS, torch.tensor([5]), 0)
    inputs = PIXELS.centre(DATA.test.images[5:6])
    with torch.no_grad():
        chances = 100 * state.net.eval()(inputs).softmax(1)[0]
    assert dict(example.top5) == {
        DATA.classes[i]: pytest.approx(float(chances[i]), abs=0.051) for i in range(3)
    }


def test_only_so_many_training_images_are_looked_at_and_none_on_request():
    net = colours_only()
    few, searched = predict(net, DATA, PIXELS, torch.tensor([0]), 4)
    assert (searched, len(few[0].neighbours)) == (4, 4)
    none, searched = predict(net, DATA, PIXELS, torch.tensor([0]), 0)
    assert (searched, none[0].neighbours) == (0, [])


def test_the_features_of_the_paper_s_net_are_fc7():
    config = tiny_config(
        model={"name": "alexnet_small", "width": 0.0625}, augment={"crop_size": 18}
    )
    net = start(config, 3, 0, CPU).net.eval()
    logits, features = forward(net, torch.randn(2, 3, 18, 18))
    assert features.shape == (2, net.get_parameter("fc7.weight").shape[0])
    torch.testing.assert_close(logits, net.get_submodule("fc8")(features))


def test_an_image_that_is_not_there_is_refused():
    config = tiny_config(evaluate={"pictured": [0, 24]})
    with pytest.raises(BadInput, match="24 is no test image, the last one is 23"):
        check_pictured(config.evaluate, DATA)
    check_pictured(tiny_config(evaluate={"pictured": [23]}).evaluate, DATA)


def test_a_run_leaves_pictures_of_the_images_asked_for_unless_it_diverged(tmp_path: Path):
    few = {"train_images": 52, "test_images": 26}
    for name, lr in (("finished", 0.01), ("diverged", 1e12)):
        settings = tiny_config(
            data=few,
            train={"epochs": 1, "lr": lr},
            evaluate={"train_images": 30, "pictured": [25, 3]},
        )
        run = Run("pets", "laptop", name, 0, "measure", settings, {}, f"id of {name}")
        slot = Slot(num_threads=torch.get_num_threads())
        assert perform(run, slot, RunStore(tmp_path), lambda *_: None).status == name
    (kept,), refusals = pictures.read_folder(
        tmp_path, {"id of finished": "finished-seed0", "id of diverged": "diverged-seed0"}
    )
    assert refusals == []
    assert [example.label for example in kept.examples] == ["Z", "D"]
    assert kept.searched == 30
