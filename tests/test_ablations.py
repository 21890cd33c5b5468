"""Every shipped ablation, under every profile: it loads, its arms are nets, and they learn."""

import pytest
import torch

from alexbench import config, models
from alexbench.train import start, train_step
from tests.tiny import CPU

FILES = [(name, profile) for name in config.shipped() for profile in config.PROFILES]
CLASSES = {"laptop": 26, "cifar10-short": 10, "cifar10": 10, "imagenet": 1000}


@pytest.mark.parametrize(("name", "profile"), FILES)
def test_every_arm_is_a_net_that_fits_its_images(name, profile):
    for arm in config.load(name, profile).variants.values():
        net = models.blueprint(arm.model, CLASSES[profile], arm.augment.crop_size)
        parameters, flops = models.count(net, arm.augment.crop_size)
        assert parameters > 0
        assert flops > 0


@pytest.mark.parametrize("name", config.shipped())
def test_every_arm_takes_a_step_that_changes_its_weights(name):
    for arm in config.load(name, "laptop").variants.values():
        state = start(arm, 26, 0, CPU)
        before = [weight.clone() for weight in state.net.parameters()]
        side = arm.augment.crop_size
        loss, _ = train_step(state, torch.randn(2, 3, side, side), torch.tensor([0, 1]))
        assert torch.isfinite(loss)
        after = list(state.net.parameters())
        assert all(not torch.equal(b, a) for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize(("name", "profile"), FILES)
def test_every_arm_gets_the_same_budget_and_tuning(name, profile):
    ablation = config.load(name, profile)
    arms = ablation.variants.values()
    assert len({(arm.train.epochs, arm.train.schedule, arm.train.batch_size) for arm in arms}) == 1
    assert ablation.tune or ablation.tune_reason
    if ablation.tuned:
        assert set(ablation.tuned) == set(ablation.variants)


@pytest.mark.parametrize("name", config.shipped())
def test_the_laptop_measures_at_least_four_seeds(name):
    assert config.load(name, "laptop").seeds >= 4
