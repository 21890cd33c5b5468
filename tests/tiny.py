"""A configuration small enough to train in a blink, for tests of what surrounds the training."""

import torch

from alexbench.config.schema import Config
from alexbench.data import Dataset, HeldSplit
from alexbench.data.dataset import hold

CPU = torch.device("cpu")


def tiny_config(**sections: dict[str, object]) -> Config:
    """Sixteen-pixel images and a narrow cifar4; sections override single keys."""
    defaults: dict[str, dict[str, object]] = {
        "data": {"name": "glyphs", "image_size": 18, "scale": 64.0},
        "augment": {"crop_size": 16, "pca_colour": "none"},
        "model": {"name": "cifar4", "width": 0.25, "init": "fan_in", "bias_init": 0.0},
        "train": {"epochs": 2, "batch_size": 16, "lr": 0.02, "schedule": "constant"},
    }
    merged = {name: keys | sections.get(name, {}) for name, keys in defaults.items()}
    return Config.model_validate(sections | merged)


def tiny_data(images: int = 48, classes: int = 3) -> Dataset:
    """Noise whose brightness tells the class: a few steps learn it."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> HeldSplit:
        labels = torch.arange(count) % classes
        noise = torch.randint(0, 60, (count, 18, 18, 3), generator=generator)
        return HeldSplit((noise + 60 * labels[:, None, None, None]).to(torch.uint8), labels)

    names = tuple(f"class {index}" for index in range(classes))
    return hold("tiny", "made here", names, split(images), split(images // 2))
