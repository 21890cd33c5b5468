"""A run over streamed images that is killed in mid-epoch goes on from there, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from alexbench.config.load import load_ablation
from alexbench.config.overrides import override
from alexbench.config.schema import Config
from alexbench.data import Dataset, shards
from alexbench.data.imagefolder import keep_decoded, load_folder
from alexbench.errors import RunFailed
from alexbench.training.checkpoint import Checkpoints
from alexbench.training.random_streams import spawn
from alexbench.training.train import Outcome, ProgressCallback, train
from tests.data.images import write_photographs
from tests.tiny import CPU, tiny_config

BATCH, KILLED_AFTER, IMAGES = 4, 3, 22
ONE_EPOCH = {"train.epochs": 1, "train.batch_size": BATCH, "evaluate.train_images": 0}
CONFIGS = {
    "tiny": tiny_config(
        data={"name": "imagefolder"},
        augment={"crops": True, "mirror": True, "pca_colour": "paper"},
        model={"hidden_units": 8, "dropout": 0.5},
        train={"epochs": 1, "batch_size": BATCH},
        evaluate={"train_images": 0},
    ),
    "paper": override(load_ablation("lrn", "imagenet").variants["both"], ONE_EPOCH, "here"),
}


def streamed(config: Config, root: Path, cache: Path) -> Dataset:
    return load_folder(root, config.data, cache, memory_limit_bytes=0)


def run(
    config: Config,
    data: Dataset,
    folder: Path | None,
    on_progress: ProgressCallback = lambda *_: None,
) -> Outcome:
    kept = Checkpoints(folder, "both-seed0-abc", "abc", seconds=0.0) if folder else None
    return train(config, data, 0, CPU, on_progress, kept)


def killed(name: str, root: str, cache: str, folder: str) -> None:
    """Run until some batches are done, and then without warning no further."""
    done = 0

    def on_progress(*_: object) -> None:
        nonlocal done
        done += 1
        if done > KILLED_AFTER:  # that batch has no checkpoint yet: it is done again
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    run(CONFIGS[name], streamed(CONFIGS[name], Path(root), Path(cache)), Path(folder), on_progress)


@pytest.mark.parametrize("name", ["tiny", pytest.param("paper", marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_in_mid_epoch_without_the_images_already_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root, cache, settings = tmp_path / "pets", tmp_path / "cache", CONFIGS[name]
    write_photographs(root, IMAGES, 4, (20, 60))
    data = streamed(settings, root, cache)
    undisturbed = run(settings, data, None)
    arguments = [sys.executable, "-m", "tests.data.test_resume", name, str(root), str(cache)]
    child = subprocess.run([*arguments, str(tmp_path / "kept")], capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    monkeypatch.setenv("ALEXBENCH_HELD_GIB", "0")
    keep_decoded(root, settings.data, tmp_path / "other", lambda _: None)  # while it was dead
    shutil.copytree(tmp_path / "kept", tmp_path / "kept too")

    order = torch.randperm(IMAGES, generator=spawn(0, CPU).order)
    decoded = streamed(settings, root, tmp_path / "other")
    forget(data, order[: KILLED_AFTER * BATCH], monkeypatch)
    with pytest.raises(RunFailed, match="could be decoded before"):
        run(settings, data, None)  # from the start it cannot be done any more
    for source, kept in ((data, "kept"), (decoded, "kept too")):
        resumed = run(settings, source, tmp_path / kept)
        for ours, theirs in zip(
            resumed.net.parameters(), undisturbed.net.parameters(), strict=True
        ):
            assert torch.equal(ours, theirs)
        assert resumed.history[0]["train_loss"] == undisturbed.history[0]["train_loss"]
        assert torch.equal(resumed.scores.predicted, undisturbed.scores.predicted)


def forget(data: Dataset, used: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the images that were used: the files, and what was decoded of them."""
    for index in used.tolist():
        data.train.files.path(index).unlink()
    read = shards.Shards.__call__

    def refuse(self: shards.Shards, indices: torch.Tensor):
        assert self.split == "test" or not set(indices.tolist()) & set(used.tolist())
        return read(self, indices)

    monkeypatch.setattr(shards.Shards, "__call__", refuse)


if __name__ == "__main__":
    killed(*sys.argv[1:])
