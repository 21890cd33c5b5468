"""The imagenet profile on images that are made here: the paper's own pipeline from file to step."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alexbench.config.load import load_ablation
from tests.data.images import write_photographs


def steps(root: Path, cache: Path, threads: int, *settings: str) -> dict:
    command = [sys.executable, "-m", "tests.data.imagenet_steps", str(root), str(cache)]
    done = subprocess.run([*command, str(threads), *settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_pipeline_is_the_paper_s():
    arm = load_ablation("lrn", "imagenet").variants["both"]
    data, augment, train = arm.data, arm.augment, arm.train
    assert (data.name, data.image_size, data.mean, data.scale) == (
        "imagefolder",
        256,
        "per_pixel",
        1,
    )
    assert (augment.crop_size, augment.crops, augment.mirror) == (224, True, True)
    assert (augment.pca_colour, augment.pca_sd) == ("paper", 0.1)
    assert (train.epochs, train.batch_size, train.lr, train.momentum) == (90, 128, 0.01, 0.9)
    assert (train.schedule, train.lr_drop_factor, train.plateau_drops) == ("plateau", 10, 3)
    assert (arm.model.name, arm.model.width, arm.evaluate.views) == ("alexnet", 1.0, "ten_crop")


NARROW = (
    "model.width=0.0625",
    "model.init=fan_in",
    "train.batch_size=16",
    "train.epochs=2",
    "train.lr=0.001",
    "data.scale=64.0",
    "evaluate.views=centre",
    "evaluate.train_images=8",
)


def test_files_of_all_sizes_and_modes_train_at_224_pixels(tmp_path: Path):
    root = write_photographs(tmp_path / "photographs", 48, 8, (60, 320))
    told = steps(root, tmp_path / "cache", 1, *NARROW)
    assert told["steps"] == 6
    assert told["losses"][1] < told["losses"][0]
    assert told["peak_bytes"] < 6 * 2**30
    assert " binds: " in told["sentence"]


@pytest.mark.slow
def test_the_full_net_learns_from_two_thousand_files_in_twenty_steps(tmp_path: Path):
    root = write_photographs(tmp_path / "photographs", 1280, 720, (180, 640))
    settings = ("train.epochs=2", "evaluate.train_images=0", "evaluate.views=centre")
    told = steps(root, tmp_path / "cache", 1, *settings)
    print(told)
    assert told["steps"] == 20
    assert told["losses"][1] < told["losses"][0]
    assert told["peak_bytes"] < 6 * 2**30
    assert " binds: " in told["sentence"]
