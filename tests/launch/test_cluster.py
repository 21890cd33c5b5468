"""The same sweep on Ray and by submitit: the records of a local one, whatever dies in between."""

import importlib.util
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from alexbench.errors import BadInput
from alexbench.launch.events import Event
from alexbench.launch.sweep import Sweep, launcher, train_missing
from alexbench.runs.run import Run
from tests.launch.test_kills import perform_all
from tests.sweeps import ABLATION, evidence, prepare, runs_of

TEXT = ABLATION.replace("train.epochs: 1", "train.epochs: 60")
OPTIONS: dict[str, Any] = {"seeds": 2, "checkpoint_seconds": 0.2}


@pytest.fixture
def local(tmp_path) -> Sweep:
    prepared = prepare(tmp_path, TEXT, results=str(tmp_path / "local"), **OPTIONS)
    perform_all(prepared)
    return prepared


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="needs alexbench[ray]")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_a_cluster_is_asked_for_in_its_own_words_and_needs_its_extra(name, tmp_path):
    package = {"ray": "ray", "slurm": "submitit"}[name]
    if importlib.util.find_spec(package):
        expected = "--jobs is for --launcher local"
    else:
        expected = rf"needs {package}: pip install 'alexbench\[{name}\]'"
    with pytest.raises(BadInput, match=expected):
        prepare(tmp_path, launcher=name, jobs=2)


@pytest.mark.parametrize("setting", ["cluster=cloud", "slurm_partitoin=gpu"])
def test_what_submitit_does_not_know_is_bad_input(setting, tmp_path):
    pytest.importorskip("submitit", reason="needs alexbench[slurm]")
    prepared = prepare(tmp_path, launcher="slurm", jobs=None, slurm=("cluster=local", setting))
    launch = launcher(prepared.options)
    with (
        pytest.raises(BadInput, match=r"^--launcher slurm: "),
        launch(prepared.store, prepared.options) as perform,
    ):
        perform(runs_of(prepared), prepared.slots, lambda run, event: None)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_finishes_every_run_when_a_node_is_killed(cluster, local, tmp_path):
    second = cluster.add_node(num_cpus=1)
    prepared = prepare(tmp_path, TEXT, launcher="ray", jobs=None, **OPTIONS)
    unfinished = prepared.folder / "unfinished"
    in_hand: list[list[str]] = []

    def kill_a_node(run: Run, event: Event) -> None:
        """When the first run is done: another is then in the middle of its own."""
        if not in_hand:
            in_hand.append([path.name for path in unfinished.glob("*.checkpoint")])
            cluster.remove_node(second, allow_graceful=False)

    with launcher(prepared.options)(prepared.store, prepared.options) as perform:
        assert perform(runs_of(prepared), prepared.slots, kill_a_node) == []
        assert train_missing(prepared, perform, runs_of(prepared)) == []
    assert in_hand[0]
    assert evidence(prepared.folder) == evidence(local.folder)


def preempt_once(folder: Path, preempted: list[int]) -> None:
    """Signal the job that has written a checkpoint, as Slurm does; notes its id."""
    while not preempted:
        time.sleep(0.05)
        jobs = [int(path.name.split("_")[0]) for path in folder.glob("logs/submitit/*_submitted*")]
        if jobs and list(folder.glob("unfinished/*.checkpoint")):
            job = random.choice(jobs)  # one that has ended has no controller
            controller = Path(f"/proc/{job}/task/{job}/children")  # which starts the job
            with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                os.kill(int(controller.read_text()), signal.SIGUSR2)
                preempted.append(job)


@pytest.mark.slow
def test_a_job_that_slurm_preempts_is_queued_again_and_goes_on(local, tmp_path):
    pytest.importorskip("submitit", reason="needs alexbench[slurm]")
    prepared = prepare(
        tmp_path, TEXT, launcher="slurm", slurm=["cluster=local"], jobs=None, **OPTIONS
    )
    preempted = list[int]()
    threading.Thread(target=preempt_once, args=(prepared.folder, preempted), daemon=True).start()
    with launcher(prepared.options)(prepared.store, prepared.options) as perform:
        assert train_missing(prepared, perform, runs_of(prepared)) == []
    log = next((prepared.folder / "logs" / "submitit").glob(f"{preempted[0]}_*.out"))
    assert "Requeued job" in log.read_text()
    assert evidence(prepared.folder) == evidence(local.folder)
