"""Which side binds: reading the images, or training on them."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from alexbench.__main__ import app as whole_app
from alexbench.bench.loader import sentence, throughput
from alexbench.cli.data import data as app
from alexbench.cli.data import of_profile
from alexbench.config.schema import DataConfig
from alexbench.data.imagefolder import load_folder
from alexbench.errors import BadInput
from tests.data.images import write_folder
from tests.tiny import CPU, tiny_config


def test_the_slower_side_binds():
    line = sentence(100, 400, 4, "image folder, streamed")
    assert line.startswith("The loader binds: 100.0 images a second can be loaded")
    assert "400.0 trained on: a factor of 4.0." in line
    assert "by 4 workers" in line
    assert "`alexbench data cache`" in line
    line = sentence(400, 0.1, 4, "here")
    assert line.startswith("The step binds: 400.0 images a second")
    assert line.endswith("0.1 trained on: a factor of 4,000.")


def test_images_that_are_decoded_already_are_not_to_be_decoded_again():
    assert "data cache" not in sentence(1, 2, 2, "image folder, streamed, decoded before")


def test_without_workers_the_two_take_turns():
    line = sentence(100, 300, 0, "here")
    assert "by the training process itself" in line
    assert "loading is 75% of a step" in line


def test_all_three_ways_are_measured(tmp_path: Path):
    data = DataConfig(name="imagefolder", image_size=18)
    pets = load_folder(write_folder(tmp_path / "pets"), data, tmp_path / "cache", 0)
    state = torch.get_rng_state()
    measured = throughput(tiny_config(), pets, CPU, rounds=9, steps=2)
    assert measured.rows["part"].tolist() == ["loader", "step", "training"]
    loader, step, training = measured.rows["images_per_second"]
    assert 0 < training < 1.5 * min(loader, step)
    assert torch.equal(state, torch.get_rng_state())


def test_a_profile_comes_with_its_regime_and_may_be_a_file(tmp_path: Path):
    assert of_profile("laptop", []).data.scale != 1.0
    assert of_profile("laptop-authors", []).data.scale == 1.0  # raw pixels
    own = tmp_path / "mine.yaml"
    own.write_text("regime: authors\nseeds: 2\nconfig: {train.epochs: 3}\n")
    wanted = of_profile(str(own), ["train.batch_size=7"])
    assert (wanted.data.scale, wanted.train.epochs, wanted.train.batch_size) == (1.0, 3, 7)


@pytest.mark.parametrize(
    "command",
    [["bench"], ["bench", "lrn"], ["gate", "--base", "HEAD"], ["data", "throughput"]],
    ids=" ".join,
)
def test_several_devices_are_refused_where_one_is_measured(command: list[str]):
    done = CliRunner().invoke(whole_app, [*command, "--device", "cpu,cpu"])
    assert isinstance(done.exception, BadInput)
    assert "--device cpu,cpu: one device is measured" in str(done.exception)


def test_the_commands_state_the_size_and_name_the_binding_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ALEXBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ALEXBENCH_HELD_GIB", "0")
    root = ["--data-root", str(write_folder(tmp_path / "pets", train=2, test=1)), "--threads", "1"]
    once = ["--set", "model.width=0.03", "--rounds", "1", "--steps", "1"]
    for command, expected in (
        (["cache"], "6 images of 256 x 256 pixels: 0.0 GB in"),
        (["throughput", *once], " binds: "),
    ):
        done = CliRunner().invoke(app, command + root)
        assert done.exit_code == 0, done.output
        assert expected in done.output
