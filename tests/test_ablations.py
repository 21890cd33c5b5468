"""Every shipped ablation, under every profile: it loads, its arms are nets, and they learn."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexbench import models
from alexbench.config import references
from alexbench.config.ablation import Ablation
from alexbench.config.load import load_ablation
from alexbench.config.schema import Config, DataConfig
from alexbench.config.shipped import PROFILES, shipped_ablations
from alexbench.data import Dataset, load
from alexbench.launch.estimate import on_one_device
from alexbench.runs.ensembles import trained_variant
from alexbench.training.train import start, train, train_step
from tests.tiny import CPU

FILES = [(name, profile) for name in shipped_ablations() for profile in PROFILES]
CLASSES = {"laptop": 26, "cifar10-short": 10, "cifar10": 10, "imagenet": 1000}
# Recipes and write-ups are compared as they were published, with their own epochs and schedules.
WHOLE_RECIPES = ("recipes", "reimplementations", "schedules")


def test_every_claim_is_claimed_by_a_file():
    claimed = {claim for name in shipped_ablations() for claim in load_ablation(name).claims}
    assert set(references.claim_ids()) <= claimed


@pytest.mark.parametrize("claim", references.claim_ids())
def test_the_file_that_a_claim_names_claims_it(claim):
    assert claim in load_ablation(references.claim(claim).ablation).claims


@pytest.mark.parametrize(("name", "profile"), FILES)
def test_every_arm_is_a_net_that_fits_its_images(name, profile):
    for arm in load_ablation(name, profile).variants.values():
        net = models.blueprint(arm.model, CLASSES[profile], arm.augment.crop_size)
        parameters, flops = models.count(net, arm.augment.crop_size)
        assert parameters > 0
        assert flops > 0


TINY = ("data.train_images=20", "data.test_images=10", "model.width=0.03", "train.epochs=1")
# An epoch is then one step; what follows is done once an epoch, whatever the size.
ONE_STEP = ("train.batch_size=32", "evaluate.train_images=4")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Image folders of 30 generated pictures: CIFAR-10's classes, and photographs of two sizes."""
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    roots = {name: tmp_path_factory.mktemp(name) for name in ("cifar10", "imagefolder", "cache")}
    generator = np.random.default_rng(0)
    for data, test, side in (("cifar10", "test", 32), ("imagefolder", "val", 300)):
        for split, images in (("train", 2), (test, 1)):
            for name in names:
                folder = roots[data] / split / name
                folder.mkdir(parents=True)
                for image in range(images):
                    pixels = generator.integers(0, 256, (side, side + image, 3), dtype=np.uint8)
                    Image.fromarray(pixels).resize((32 if side == 32 else side + 9, side)).save(
                        folder / f"{image}.png"
                    )
    return roots


@functools.lru_cache
def data_for(data: DataConfig, root: Path | None, cache: Path) -> Dataset:
    return load(data, root, cache)


seen: dict[str, float] = {}  # final losses by configuration: equal arms are trained once


def loss_after_a_step(arm: Config, data: Dataset) -> float:
    key = f"{data.sha256} {arm.model_dump_json()}"
    if key not in seen:
        outcome = train(on_one_device(arm), data, 0, CPU, lambda *_: None)
        assert outcome.status == "finished"
        assert len(outcome.history) == 1
        seen[key] = outcome.history[0]["train_loss"]
    return seen[key]


@pytest.mark.parametrize(("name", "profile"), FILES)
def test_every_arm_takes_a_step_on_its_own_kind_of_images(name, profile, folders):
    ablation: Ablation = load_ablation(name, profile, settings=[*TINY, *ONE_STEP])
    for variant, arm in ablation.variants.items():
        if trained_variant(ablation, variant) == variant:
            data = data_for(arm.data, folders.get(arm.data.name), folders["cache"])
            assert np.isfinite(loss_after_a_step(arm, data)), variant


@pytest.mark.parametrize("name", shipped_ablations())
def test_a_step_changes_every_weight_of_every_arm(name):
    draws = torch.Generator().manual_seed(0)
    for arm in load_ablation(name, "laptop", settings=["model.width=0.06"]).variants.values():
        state = start(on_one_device(arm), 26, 0, CPU)
        before = [weight.clone() for weight in state.net.parameters()]
        side = arm.augment.crop_size
        images = torch.randn(2, 3, side, side, generator=draws)
        loss, _ = train_step(state, images, torch.tensor([0, 1]))
        assert torch.isfinite(loss)
        after = list(state.net.parameters())
        assert all(not torch.equal(b, a) for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize(("name", "profile"), FILES)
def test_every_arm_gets_the_same_budget_and_tuning(name, profile):
    ablation = load_ablation(name, profile)
    arms = ablation.variants.values()
    budgets = {(arm.train.epochs, arm.train.schedule, arm.train.batch_size) for arm in arms}
    assert len(budgets) == 1 or name in WHOLE_RECIPES
    assert ablation.tune or ablation.tune_reason
    if ablation.tuned:
        assert set(ablation.tuned) == set(ablation.variants)


@pytest.mark.parametrize("name", shipped_ablations())
def test_the_laptop_measures_at_least_four_seeds(name):
    assert load_ablation(name, "laptop").seeds >= 4
