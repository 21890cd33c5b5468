"""Checkpoints: a run that was stopped anywhere ends with the bits of one that never was."""

import hashlib
import io
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from alexbench.config.schema import Config
from alexbench.parallel.group import group, store_here, talk_at_home
from alexbench.parallel.placed import ProcessGroup
from alexbench.training import checkpoint
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.state import Running
from alexbench.training.train import Outcome, start, train
from tests.tiny import CPU, tiny_config, tiny_data

TIMES = ("train_seconds", "evaluate_seconds", "images_per_second")
# everything that has a state: dropout and crops draw, plateau looks back, the last batch is short
CONFIG = tiny_config(
    model={"hidden_units": 8, "dropout": 0.5, "lrn": "both"},
    train={"epochs": 2, "batch_size": 20, "schedule": "plateau", "plateau_patience": 1},
)
BATCHES = 2 * (3 + 1 + 1)  # of 48 training images, 24 test images, and the clean training pass


class StopAfter:
    """Says yes, once it was asked so often."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def checkpoints(
    folder: Path, stop_after: int = 10**9, heard: list[str] | None = None, **options: Any
):
    tell = (heard if heard is not None else []).append
    options = {"seconds": 3600.0} | options
    return Checkpoints(
        folder, "both-seed0-abc", "abc", asked_to_stop=StopAfter(stop_after), tell=tell, **options
    )


def run(config: Config = CONFIG, kept: Checkpoints | None = None) -> Outcome:
    return train(config, tiny_data(), 0, CPU, lambda *_: None, kept)


def result(outcome: Outcome) -> tuple[Any, ...]:
    history = [{k: v for k, v in row.items() if k not in TIMES} for row in outcome.history]
    weights = hashlib.sha256()
    for parameter in outcome.net.parameters():
        weights.update(parameter.detach().contiguous().numpy().tobytes())
    return outcome.status, repr(history), outcome.scores.correct.tolist(), weights.hexdigest()


@pytest.fixture(scope="module")
def undisturbed() -> tuple[Any, ...]:
    return result(run())


@pytest.mark.parametrize("batches", range(1, BATCHES + 1))
def test_a_run_stopped_after_any_batch_ends_as_if_it_never_was(batches, undisturbed, tmp_path):
    with pytest.raises(Stopped):
        run(kept=checkpoints(tmp_path, stop_after=batches))
    heard: list[str] = []
    assert result(run(kept=checkpoints(tmp_path, heard=heard))) == undisturbed
    assert len(heard) == 1
    assert heard[0].startswith("resumed after ")


def test_a_run_stopped_again_and_again_ends_as_if_it_never_was(undisturbed, tmp_path):
    for _ in range(3):
        with pytest.raises(Stopped):
            run(kept=checkpoints(tmp_path, stop_after=3))
    assert result(run(kept=checkpoints(tmp_path))) == undisturbed


@pytest.mark.parametrize(
    ("sections", "stops"),
    [
        ({"train": {"optimizer": "adam", "schedule": "cosine", "lr": 0.001}}, (3, 4)),
        ({"train": {"lr": 1e12, "epochs": 5}}, (2, 3)),  # diverges
    ],
)
def test_so_does_every_other_kind_of_run(sections, stops, tmp_path):
    config = tiny_config(**sections)
    for batches in stops:
        with pytest.raises(Stopped):
            run(config, checkpoints(tmp_path, stop_after=batches))
    assert result(run(config, checkpoints(tmp_path))) == result(run(config))


def test_the_last_two_checkpoints_are_kept_and_none_is_half_written(tmp_path):
    kept = checkpoints(tmp_path, seconds=0.0)
    run(kept=kept)
    names = [f"both-seed0-abc.{number:06d}.checkpoint" for number in (BATCHES - 1, BATCHES)]
    assert sorted(os.listdir(tmp_path)) == names
    (tmp_path / "both-seed0-abc.000011.checkpoint.partial").write_bytes(b"cut short by a kill")
    kept.remove()
    assert not os.listdir(tmp_path)


def test_a_checkpoint_is_written_when_it_is_due_and_its_time_is_not_training(tmp_path, monkeypatch):
    clock = time.perf_counter

    def with_slow_writes() -> float:
        """The clock, which each checkpoint puts forward by a day."""
        numbers = [checkpoint.number(path) for path in tmp_path.glob("*.checkpoint")]
        return clock() + 86_400 * max(numbers, default=0)

    monkeypatch.setattr(time, "perf_counter", with_slow_writes)
    assert run(kept=checkpoints(tmp_path, seconds=3600.0)).history[0]["train_seconds"] < 3600
    assert not list(tmp_path.iterdir())
    assert run(kept=checkpoints(tmp_path, seconds=0.0)).history[0]["train_seconds"] < 3600
    assert with_slow_writes() > 86_400 * BATCHES


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def signed(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


DAMAGES = {
    "truncated": lambda data, trap: data[: len(data) // 2],
    "empty": lambda data, trap: b"",
    "zeroed": lambda data, trap: bytes(len(data)),
    "a flipped bit": lambda data, trap: bytes([*data[:99], data[99] ^ 1, *data[100:]]),
    "a pickle": lambda data, trap: pickle.dumps(Trap(trap)),
    "a signed pickle": lambda data, trap: signed(pickle.dumps(Trap(trap))),
    "a signed torch file": lambda data, trap: signed(saved({"net": Trap(trap)})),
    "a signed list": lambda data, trap: signed(saved([1, 2])),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_never_run_and_the_one_before_is_taken(
    damage, undisturbed, tmp_path
):
    folder, trap = tmp_path / "checkpoints", tmp_path / "sprung"
    with pytest.raises(Stopped):
        run(kept=checkpoints(folder, stop_after=6, seconds=0.0))
    _, newest = sorted(folder.iterdir())
    newest.write_bytes(DAMAGES[damage](newest.read_bytes(), trap))
    heard: list[str] = []
    assert result(run(kept=checkpoints(folder, heard=heard))) == undisturbed
    assert not trap.exists()
    assert heard[0].startswith(f"{newest}: not a whole checkpoint of this run (")
    assert "\n" not in heard[0]
    assert heard[1] == "resumed after 0 epochs and 48 images"


def test_the_trap_of_these_tests_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_with_no_whole_checkpoint_a_run_begins_anew(undisturbed, tmp_path):
    with pytest.raises(Stopped):
        run(kept=checkpoints(tmp_path, stop_after=6, seconds=0.0))
    for path in tmp_path.iterdir():
        path.write_bytes(b"nothing")
    heard: list[str] = []
    assert result(run(kept=checkpoints(tmp_path, heard=heard))) == undisturbed
    assert [line.rpartition(" (")[2] for line in heard] == ["its SHA-256 is wrong): left out"] * 2


@pytest.mark.parametrize("change", ["run_id", "seed", "width"])
def test_a_checkpoint_of_another_run_is_not_taken(change, tmp_path):
    def begin(config=CONFIG, seed=0):
        return start(config, 3, seed, CPU)

    other = {
        "seed": lambda: begin(seed=1),
        "width": lambda: begin(tiny_config(model={"hidden_units": 8, "width": 0.5})),
    }
    foreign = checkpoints(tmp_path, seconds=0.0)
    foreign.run_id = "abd" if change == "run_id" else "abc"
    foreign.keep(other.get(change, begin)())
    heard: list[str] = []
    state = checkpoints(tmp_path, heard=heard).resume(begin)
    assert "not a whole checkpoint of this run" in heard[0]
    for ours, fresh in zip(state.net.parameters(), begin().net.parameters(), strict=True):
        assert torch.equal(ours, fresh)


@pytest.mark.parametrize(("device", "batches"), [("cpu", 16), ("cuda", 256)])
def test_processes_agree_now_and_then_and_on_cuda_at_fewer_batches(device, batches, tmp_path):
    asked: list[int] = []
    state = start(CONFIG, 4, 0, CPU)
    with FakeTensorMode():  # has devices that this machine lacks
        state.running = Running.on(torch.device(device))
    talk_at_home()
    with group(store_here(0), "words", 0, 1, CPU):  # the other process is this one, again
        kept = checkpoints(tmp_path, group=ProcessGroup(rank=0, size=2))
        kept.asked_to_stop = lambda: bool(asked.append(kept.calls))
        for _ in range(2 * batches):
            kept.keep(state)
    assert asked == [batches, 2 * batches]
