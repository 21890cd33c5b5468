"""Devices and threads: nobody gets more than there is."""

import math
from pathlib import Path

import pytest
import torch

from alexbench.errors import BadInput
from alexbench.launch.slots import (
    CONTEXT_BYTES,
    cores,
    cpu_quota,
    devices,
    find_slots,
    fitting,
    in_turn,
    mps_is_on,
    refuse_unequal,
)

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def test_cpu_jobs_share_the_cores_by_their_threads():
    assert len(find_slots("cpu", None, 1, None)) == cores()
    assert len(find_slots("cpu", None, cores(), None)) == 1
    (slot,) = find_slots("cpu", 1, 1, "images")
    assert (slot.device, slot.num_threads, slot.data_root) == ("cpu", 1, "images")


@needs_no_cuda
def test_auto_is_the_cpu_where_there_is_no_cuda_device():
    assert {slot.device for slot in find_slots("auto", None, 1, None)} == {"cpu"}


@pytest.mark.parametrize(
    ("device", "jobs", "threads", "expected"),
    [
        ("cpu", 1000, 1, "1000 jobs x 1 threads are more than the"),
        ("cpu", None, 1000, "1 jobs x 1000 threads are more than the"),
        ("cpu", 0, 1, "should be 1 or more"),
        ("gpu", None, 1, "--device gpu: not here; allowed are auto, cpu"),
    ],
)
def test_what_is_not_there_is_refused(device, jobs, threads, expected):
    with pytest.raises(BadInput, match=expected):
        find_slots(device, jobs, threads, None)


def test_as_many_runs_share_a_gpu_as_fit_in_its_memory_and_on_the_cores():
    run, gigabyte = 10**9 - CONTEXT_BYTES, 10**9  # with its context, a run takes a gigabyte
    assert fitting([4 * gigabyte, 2 * gigabyte], run, most=16) == [0, 1, 0, 0]
    assert fitting([4 * gigabyte, 2 * gigabyte], run, most=3) == [0, 1, 0]
    assert fitting([gigabyte // 2, gigabyte // 2], run, most=1) == [0, 1]  # one each, to be tried


def test_a_run_on_several_devices_has_a_place_of_them_all():
    if cores() < 2:
        pytest.skip("one core is one device")
    (slot,) = find_slots("cpu,cpu", None, 1, None, num_devices=2)
    assert (slot.device, slot.devices, slot.jobs) == ("cpu", ("cpu", "cpu"), 1)
    assert len(find_slots("cpu", None, 1, None, num_devices=2)) == cores() // 2
    assert len(find_slots("cpu", 1, 1, None, num_devices=2)) == 1
    assert len(find_slots("cpu,cpu", None, 1, None)) == 2


@pytest.mark.parametrize(
    ("device", "threads", "num_devices", "expected"),
    [
        ("cpu", cores(), 2, r"^a run needs 2 devices, and --device cpu means 1 \(cpu\): give 2"),
        ("cpu,cpu", 1, 3, r"^a run needs 3 devices, and --device cpu,cpu means 2"),
        ("cpu,gpu", 1, 2, r"^--device cpu,gpu: not here; allowed are cpu"),
    ],
)
def test_too_few_devices_are_refused(device, threads, num_devices, expected):
    with pytest.raises(BadInput, match=expected):
        find_slots(device, None, threads, None, num_devices)


def test_unequal_devices_are_refused():
    refuse_unequal(["cuda:0", "cuda:1"], ["A100", "A100"])
    with pytest.raises(BadInput, match=r"^unequal devices: cuda:0 is A100, cuda:1 is T4: a run"):
        refuse_unequal(["cuda:0", "cuda:1"], ["A100", "T4"])


def test_a_cuda_device_stands_only_once_in_a_list():
    assert devices("cuda:0,cuda:1", count=2) == ["cuda:0", "cuda:1"]
    with pytest.raises(BadInput, match=r"cuda:0,cuda:0: a CUDA device stands there twice"):
        devices("cuda:0,cuda:0", count=2)


def test_processes_that_share_a_gpu_take_it_in_turn():
    assert in_turn(["cuda:0"], 2) == ["cuda:0", "cuda:0"]
    assert in_turn(["cuda:0", "cuda:1"], 3) == ["cuda:0", "cuda:1", "cuda:0"]


def test_cores_are_never_shared_so(tmp_path):
    with pytest.raises(BadInput, match="a run needs 2 devices"):
        find_slots("cpu", None, cores(), None, num_devices=2, shared=True)


def test_several_runs_a_gpu_need_the_server_of_mps(tmp_path):
    assert not mps_is_on({"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)})
    (tmp_path / "control").touch()
    assert mps_is_on({"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)})


def test_more_jobs_than_any_machine_runs_are_refused_before_a_list_of_them_is_made():
    with pytest.raises(BadInput, match="--jobs and --threads should be at most 4096"):
        find_slots("cpu", 10**9, None, None)


def test_a_containers_quota_of_processors_is_obeyed(tmp_path: Path):
    own, group = tmp_path / "cgroup", tmp_path / "a" / "b"
    group.mkdir(parents=True)
    own.write_text("0::/a/b\n")
    assert cpu_quota(tmp_path, own) == math.inf
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (group / "cpu.max").write_text("250000 100000\n")
    assert cpu_quota(tmp_path, own) == 2.5
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")  # of the group above
    assert cpu_quota(tmp_path, own) == 1.5


def test_a_quota_of_the_first_version_is_obeyed_too(tmp_path: Path):
    own, group = tmp_path / "cgroup", tmp_path / "cpu,cpuacct" / "box"
    group.mkdir(parents=True)
    own.write_text("4:memory:/box\n3:cpu,cpuacct:/box\n")
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_quota(tmp_path, own) == math.inf
    (group / "cpu.cfs_quota_us").write_text("50000\n")
    assert cpu_quota(tmp_path, own) == 0.5
