"""A run by several processes: one of them is killed, and the run goes on from its checkpoint."""

import io
import pickle
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from alexbench.config.execution import Slot
from alexbench.errors import BadInput, ProcessLost, RunFailed
from alexbench.kernels import resolve
from alexbench.launch.inspector import data_sha256
from alexbench.launch.process_group import WorkerGroup
from alexbench.parallel.group import open_store, unpacked
from alexbench.runs import record
from alexbench.runs.run import Run, run_id
from alexbench.runs.store import RunStore
from alexbench.training.checkpoint import Checkpoints
from tests.tiny import tiny_config

SLOT = Slot(devices=("cpu", "cpu"))
CONFIG = tiny_config(
    data={"train_images": 78, "test_images": 26},
    model={"name": "alexnet_small", "width": 1 / 16, "lrn_alpha": 0.41},
    train={"placement": "processes", "epochs": 10},
)
STEPS_AN_EPOCH = 5
TIMES = ("train_seconds", "evaluate_seconds", "images_per_second")


def made(seed: int) -> Run:
    numerics = {
        "data_sha256": data_sha256(CONFIG.data, None),
        "device": "cpu",
        "num_threads": 1,
        "lrn": resolve("cpu"),
    }
    own = run_id(CONFIG, seed, numerics)
    return Run("tiny", "laptop", "processes", seed, "measure", CONFIG, {}, own)


def checkpoints(folder: Path, run: Run, heard: list[str] | None = None) -> Checkpoints:
    tell = [].append if heard is None else heard.append
    return Checkpoints(folder / "checkpoints", "tiny", run.run_id, seconds=0.0, tell=tell)


def result(done: record.RunRecord) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in TIMES} for row in done.history]


def test_a_killed_process_ends_the_run_in_one_line_and_the_next_one_resumes_it(tmp_path):
    run, seen, heard = made(0), list[float](), list[str]()
    first = WorkerGroup(SLOT, 2)

    def kill(epochs: float, images_per_second: float, history: Any) -> None:
        if epochs >= 3.2 and not seen:
            seen.append(time.monotonic())
            first.members[1].child.process.send_signal(signal.SIGKILL)

    with pytest.raises(
        ProcessLost, match=r"^rank 1 of 2, after step (\d+): its process was killed \(signal 9\)"
    ) as lost:
        first.perform(run, RunStore(tmp_path), kill, checkpoints(tmp_path, run))
    assert time.monotonic() - seen[0] < 30
    # rank 1 was in the step that rank 0 told of, and may have died before it told of it as well
    assert int(str(lost.value).split("step ")[1].split(":")[0]) >= 3.2 * STEPS_AN_EPOCH - 1
    assert checkpoints(tmp_path, run).paths()
    assert not RunStore(tmp_path).record_path(run).exists()
    first.stop()
    assert all(member.child.process.poll() is not None for member in first.members)

    epochs = list[float]()
    second = WorkerGroup(SLOT, 2)
    kept = checkpoints(tmp_path, run, heard)
    resumed = second.perform(run, RunStore(tmp_path), lambda done, *_: epochs.append(done), kept)
    assert epochs[0] > 1
    assert not checkpoints(tmp_path, run).paths()

    # the same processes train the next run; and it ends as the one that was interrupted did
    for file in (tmp_path / "runs").iterdir():
        file.unlink()
    whole = second.perform(run, RunStore(tmp_path / "whole"), lambda *_: None, None)
    heard_on = listening(second)
    second.stop()
    assert heard_on == {LOOPBACK}
    assert len(whole.history) == 10
    assert result(resumed) == result(whole)
    assert [line.split(" after")[0] for line in heard] == ["resumed"]


LOOPBACK = "0100007F"  # 127.0.0.1, as Linux writes it


def listening(group: WorkerGroup) -> set[str]:
    """The addresses at which this process and a group's processes listen."""
    held = set()
    for process in ("self", *(str(member.child.process.pid) for member in group.members)):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                held.add(str(link.readlink()))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held
    }


def test_what_another_process_sends_is_never_code():
    class Code:
        def __reduce__(self):
            return print, ("run",)

    for made in (pickle.dumps(Code(), protocol=2), torch_bytes(Code())):
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            unpacked(torch.frombuffer(bytearray(made), dtype=torch.uint8))


def torch_bytes(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_a_port_in_use_is_one_clear_line(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(
            BadInput, match=f"^MASTER_PORT {port} cannot be used .*: choose another"
        ):
            open_store()
    monkeypatch.setenv("MASTER_PORT", "many")
    with pytest.raises(BadInput, match=r"^MASTER_PORT is 'many', which is no port"):
        open_store()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_two_processes_share_a_gpu_over_gloo(tmp_path):
    config = CONFIG.model_copy(
        update={
            "train": CONFIG.train.model_copy(update={"exchange": "gloo", "epochs": 1}),
            # masks are drawn on the device, and so differ
            "model": CONFIG.model.model_copy(update={"dropout": 0.0}),
        }
    )
    losses = []
    for device in ("cpu", "cuda:0"):
        run = Run("tiny", "laptop", "processes", 0, "measure", config, {}, "0" * 64)
        group = WorkerGroup(Slot(devices=(device, device)), 2)
        done = group.perform(run, RunStore(tmp_path / device[:4]), lambda *_: None, None)
        group.stop()
        losses.append(done.history[0]["train_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_an_error_of_a_process_is_heard_while_its_group_still_stands(tmp_path):
    config = CONFIG.model_copy(update={"data": CONFIG.data.model_copy(update={"name": "cifar10"})})
    run = Run("tiny", "laptop", "processes", 0, "measure", config, {}, "0" * 64)
    group = WorkerGroup(Slot(devices=("cpu", "cpu"), data_root=str(tmp_path)), 2)
    began = time.monotonic()
    with pytest.raises(RunFailed, match=r"^data\.image_size: CIFAR-10 images have 32 pixels"):
        group.perform(run, RunStore(tmp_path), lambda *_: None, None)
    assert time.monotonic() - began < 120
    group.stop()
