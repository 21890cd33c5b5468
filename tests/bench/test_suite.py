"""``alexbench bench`` on a handful of kernels, and the tables of its two sub-commands."""

import gzip
import json
import shutil
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
import torch

from alexbench.bench import lrn
from alexbench.bench.arms import Arm, net_arms, settings
from alexbench.bench.calls import fit, make_call
from alexbench.bench.machine import machine_name
from alexbench.bench.peaks import measure_peaks
from alexbench.bench.shapes import NORMS, POOLS, Conv, WholeNet
from alexbench.bench.steps import net_call
from alexbench.bench.suite import measure, run_suite
from alexbench.config.paths import shipped_folder
from alexbench.errors import BadInput, RunFailed
from alexbench.report import kernel_table
from benchmarks.throughput import TRACED_STEPS, main, summary

CPU = torch.device("cpu")


@pytest.fixture
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_selection_is_run_and_written(tmp_path, capfd):
    select = "cifar4_pool2 or (cifar4_norm2 and torch) or (step and cifar4)"
    paths = run_suite("cpu", str(tmp_path), threads=1, rounds=2, select=select)
    assert [path.suffix for path in paths] == [".json", ".csv", ".md", ".png"]
    assert all(path.parent == tmp_path / "benchmarks" for path in paths)
    rows = pd.read_csv(paths[1])
    # both formats and directions of a pool and of torch's normalization, and one step
    assert rows["kind"].value_counts().to_dict() == {"pool": 4, "lrn": 4, "train_step": 1}
    assert not rows.isna().any(axis=None)
    assert (rows["rounds"] == 2).all()
    stored = json.loads(paths[0].read_text())
    assert all(min(b["stats"]["data"]) > 0 for b in stored["benchmarks"])
    assert stored["machine_info"]["alexbench"]["num_threads"] == 1
    assert len(list((tmp_path / "benchmarks").iterdir())) == 4


BAD = """
import warnings


def test_broken(pool, arm, time_layer):
    raise MemoryError


def test_pool(pool, arm, time_layer):
    warnings.warn("a library says something", UserWarning)
    time_layer(pool, arm)
"""


def test_a_benchmark_that_fails_costs_no_other_and_one_that_warns_is_measured(tmp_path, capfd):
    folder = shutil.copytree(shipped_folder("benchmarks"), tmp_path / "benchmarks")
    (folder / "bench_bad.py").write_text(BAD)
    options = {"device": "cpu", "threads": 1, "rounds": 5}
    measured, select = tmp_path / "measured.json", "cifar4_pool2 and forward and nchw"
    assert not measure(folder, measured, options, select)
    rows = json.loads(measured.read_text())["benchmarks"]
    assert sorted(row["name"].partition("[")[0] for row in rows) == ["test_pool"] * 2
    assert len(kernel_table.write(measured)) == 3
    with pytest.raises(RunFailed, match=r"^all benchmarks failed, see above; there is no table$"):
        measure(folder, tmp_path / "none.json", options, f"broken and {select}")


def test_whole_nets_run_forward_and_both_ways_in_both_formats():
    small = WholeNet("small", (("name", "alexnet"), ("width", 0.1)), cpu_batch=1)
    assert {arm.direction for arm in net_arms(CPU)} == {"forward", "both"}
    for arm in net_arms(CPU):
        result = net_call(small, arm, 1, CPU)()
        if arm.direction == "forward":
            assert result.shape == (1, 1000)
            assert result.requires_grad  # as in training: it keeps what a backward pass needs
        else:
            assert len(result) == 2 * 8
    on_cuda = net_arms(torch.device("cuda"))
    assert {arm.precision for arm in on_cuda} == {"ieee", "tf32", "bf16"}


@pytest.mark.slow
def test_past_its_time_no_benchmark_is_begun_and_pools_come_last(tmp_path, capfd):
    select = "cifar4_pool or (net and alexnet and forward and nchw)"
    paths = run_suite("cpu", str(tmp_path), threads=1, rounds=40, select=select, seconds=1)
    assert set(pd.read_csv(paths[1])["kind"]) == {"net"}  # forty calls of a net take longer


def test_a_selection_that_matches_nothing_is_named(tmp_path, capfd):
    with pytest.raises(BadInput, match=r"^--select sorbet: matches no benchmark in "):
        run_suite("cpu", str(tmp_path), threads=1, select="sorbet")


def test_more_threads_than_cores_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"^--threads 4096, --rounds 10: from 1 to "):
        run_suite("cpu", str(tmp_path), threads=4096)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"file.benchmarks: cannot be written: "):
        run_suite("cpu", str(tmp_path / "file"), threads=1)


def test_a_shape_of_which_one_image_takes_too_long_is_timed_on_smaller_images():
    shape, batch = fit(Conv("huge", 64, 64, 160, 9), CPU)
    assert shape.side < 160
    assert batch >= 1


@pytest.mark.parametrize("shape", [Conv("c", 4, 6, 9, 3, groups=2), NORMS[3], POOLS[4]])
@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
def test_a_call_computes_what_its_arm_says(shape, memory_format):
    result = make_call(shape, Arm("forward", memory_format), 2, CPU)()
    layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
    assert result.requires_grad
    assert result.is_contiguous(memory_format=layout)
    gradients = make_call(shape, Arm("backward", memory_format), 2, CPU)()
    assert len(gradients) == (2 if isinstance(shape, Conv) else 1)


def switches() -> tuple[str, str, bool]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark


def test_the_switches_of_an_arm_hold_inside_and_are_put_back_on_cuda_alone():
    before, tuned = switches(), Arm("forward", precision="tf32", cudnn_benchmark=True)
    with settings(tuned, torch.device("cuda")):  # torch has the switches without a GPU as well
        assert switches() == ("tf32", "tf32", True)
    assert switches() == before
    with settings(tuned, CPU):
        assert switches() == before != ("tf32", "tf32", True)


def test_peaks_are_measured():
    peaks = measure_peaks(CPU, rounds=1)
    assert peaks.gemm_gflop_per_second > 0.1
    assert peaks.copy_gigabyte_per_second > 0.1


def test_a_machine_name_can_be_a_file_name():
    on_cpu = {"processor": "Xeon(R) @ 2.0GHz", "device": "cpu", "num_threads": 2}
    assert machine_name(on_cpu) == "xeon-r-2-0ghz-2-threads"
    assert machine_name({**on_cpu, "device": "NVIDIA A100"}) == "nvidia-a100"


def test_the_table_of_normalizations_compares_all_with_torchs():
    arm = Arm("forward", "channels_last")
    table = lrn.compare((4, 8, 6, 6), 2, ["torch", "slices", "banded"], CPU, 3, arm)
    assert list(table["shape"].unique()) == ["4x8x6x6"]
    assert table["speedup"][0] == 1
    assert (table["share_of_copy_limit"] > 0).all()
    assert not table.isna().any(axis=None)
    assert list(table["samples"]) == [3] * 3


def test_the_limit_is_of_five_passes_at_the_rate_of_a_copy():
    # 100 bytes copied in 2 s are 100 bytes moved a second; 5 passes of 60 bytes then take 3 s
    assert lrn.copy_limit(2.0, 100, 60) == 3.0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--memory-format", "nhwc"], "--memory-format nhwc: on cpu allowed are nchw, channels_"),
        (["--precision", "bf16"], "--precision bf16: on cpu allowed are ieee"),
        (["--csv", "/nowhere/a.csv"], "--csv /nowhere/a.csv: there is no folder /nowhere"),
    ],
)
def test_what_the_comparison_of_normalizations_cannot_do_is_one_line(options, line):
    words = [sys.executable, "-m", "alexbench", "bench", "lrn", "--device", "cpu", *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {line}")
    assert done.stderr.count("\n") == 1


def test_the_comparison_of_normalizations_has_its_table_as_a_file(tmp_path):
    words = [sys.executable, "-m", "alexbench", "bench", "lrn", "--device", "cpu"]
    few = ["--rounds", "5", "--threads", "1", "--csv", str(tmp_path / "lrn.csv")]
    subprocess.run([*words, *few], capture_output=True, text=True, check=True)
    rows = pd.read_csv(tmp_path / "lrn.csv")
    assert rows["shape"].nunique() == len(lrn.SHAPES["cpu"])
    assert set(rows["precision"]) == {"ieee"}
    assert (rows["median_seconds"] > 0).all()


def test_ratios_of_throughput_are_medians_over_the_rounds():
    samples = {
        "alexbench": [1.0, 2.0, 4.0],
        "bare": [1.1, 1.8, 4.4],
        "bare_no_lrn": [1.0, 1.5, 4.0],
        "textbook": [3.0, 4.0, 12.0],
        "gemm": [0.01, 0.01, 0.02],
    }
    done = summary(samples, steps=2, conv_flops=2 * 1024**3 * 40)
    assert list(done.ratios["median"]) == pytest.approx([1.1, 3.0, 1.1, 0.01 * 80 / 1.8])
    assert list(done.arms["images_per_second"]) == pytest.approx([128, 256 / 1.8, 256 / 1.5, 64])
    assert list(done.ratios["wanted"]) == ["0.95", "2.5", "at most 1.12", "0.7"]
    # on CUDA a product of 4096 x 4096 matrices, and nothing is promised
    del samples["textbook"]
    cuda = samples | {"alexbench_graph_bf16": [0.5, 0.9, 2.2]}
    done = summary(cuda, steps=2, conv_flops=2 * 4096**3 * 40, device=torch.device("cuda"))
    assert list(done.ratios.columns) == ["ratio", "median", "iqr"]
    assert list(done.ratios["median"]) == pytest.approx([1.1, 2.0, 1.1, 0.01 * 80 / 1.8])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which has every arm")
def test_throughput_trains_in_every_arm_of_a_cpu_and_says_which_it_skips(
    threads_as_before, tmp_path, monkeypatch, capsys
):
    few = ["--threads", "1", "--rounds", "1", "--steps", "1", "--csv", str(tmp_path / "arms.csv")]
    few += ["--trace", str(tmp_path / "trace.json.gz")]
    monkeypatch.setattr(sys, "argv", ["throughput", *few])
    main()
    traced = json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))
    counts = Counter(event["name"] for event in traced["traceEvents"])
    assert counts["alexbench"] == 1
    assert counts["aten::convolution_backward"] == 3 * TRACED_STEPS  # of cifar4, each step
    arms = pd.read_csv(tmp_path / "arms.csv")
    assert list(arms["arm"]) == ["alexbench", "bare", "bare_no_lrn", "textbook"]
    assert set(arms["net"]) == {"cifar4"}
    assert (arms["images_per_second"] > 0).all()
    said = capsys.readouterr().out
    assert said.startswith("arms alexbench_graph, alexbench_graph_tf32, alexbench_graph_bf16, comp")
    assert "skipped, as they need a CUDA device\n" in said
    assert said.count("step with LRN / without, seconds") == 3  # cifar4, laptop, cifar10-short


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which is not refused")
def test_throughput_on_a_gpu_that_is_not_here_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["throughput", "--device", "cuda"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main()
    assert capsys.readouterr().err == "error: --device cuda: not here; allowed are auto, cpu\n"
