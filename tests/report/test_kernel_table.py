"""From what pytest-benchmark stored to rows, Markdown and a figure."""

import json

import pandas as pd
import pytest

from alexbench.errors import BadInput
from alexbench.report import kernel_table

MACHINE = {"processor": "Tube 1", "device": "cpu", "num_threads": 2}


def stored(kind="conv", flops=2_000_000_000, size=10_000_000, seconds=(0.04, 0.02, 0.03)):
    facts = {
        "kind": kind,
        "shape": "s",
        "direction": "forward",
        "implementation": "torch",
        "memory_format": "nchw",
        "precision": "ieee",
        "cudnn_benchmark": False,
        "batch": 4,
        "side": 9,
        "flops": flops,
        "bytes": size,
        "peak_memory_bytes": 123,
        "gemm_gflop_per_second": 100.0,
        "copy_gigabyte_per_second": 10.0,
    }
    return {"extra_info": facts, "stats": {"data": list(seconds)}}


def measured(folder, *benchmarks):
    path = folder / "m.json"
    content = {"benchmarks": benchmarks, "machine_info": {"alexbench": MACHINE}}
    path.write_text(json.dumps(content))
    return path


def test_a_row_has_rates_and_the_share_of_the_ceiling_that_binds():
    (row,) = kernel_table.rows({"benchmarks": [stored()]}).to_dict("records")
    assert row["median_seconds"] == 0.03
    assert row["iqr_seconds"] == pytest.approx(0.01)
    assert row["rounds"] == 3
    assert row["gflop_per_second"] == pytest.approx(2 / 0.03)
    assert row["gigabyte_per_second"] == pytest.approx(0.01 / 0.03)
    assert row["arithmetic_intensity"] == 200
    # 200 FLOPs a byte x 10 GB/s would be 2000 GFLOP/s: the matrix product binds
    assert (row["bound"], row["percent_of_peak"]) == ("gemm", pytest.approx(100 * 2 / 0.03 / 100))


def test_a_kernel_with_little_work_is_held_against_the_copy():
    (row,) = kernel_table.rows({"benchmarks": [stored(flops=10_000_000)]}).to_dict("records")
    # 1 FLOP a byte x 10 GB/s is 10 GFLOP/s; 0.01 GFLOP in 0.03 s is a thirtieth of that
    assert (row["bound"], row["percent_of_peak"]) == ("copy", pytest.approx(100 / 30))


def test_the_files_hold_every_row_and_no_blank(tmp_path):
    kinds = ["conv", "pool", "lrn", "train_step", "net"]
    benchmarks = [stored(kind) for kind in kinds]
    for number, direction in ((3, "step"), (4, "both")):
        benchmarks[number]["extra_info"]["direction"] = direction
    paths = kernel_table.write(measured(tmp_path, *benchmarks))
    assert [path.name for path in paths] == ["m.csv", "m.md", "m.png"]
    read = pd.read_csv(paths[0])
    assert list(read["kind"]) == kinds
    assert not read.isna().any(axis=None)
    text = paths[1].read_text()
    assert "- processor: Tube 1" in text
    assert "ieee: 100 GFLOP/s in a matrix product, 10 GB/s in a copy" in text
    assert paths[2].stat().st_size > 5000


def test_equal_measurements_give_equal_files(tmp_path):
    path = measured(tmp_path, stored())
    first, second = ([p.read_bytes() for p in kernel_table.write(path)] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("text", ["{", "[]", '{"benchmarks": [{}]}', '{"benchmarks": []}'])
def test_a_file_that_the_benchmarks_did_not_write_is_refused_by_name(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(BadInput, match=r"m.json: is not what `alexbench bench` wrote"):
        kernel_table.write(tmp_path / "m.json")
