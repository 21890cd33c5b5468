"""What pytest-benchmark stored, as a table: a row a shape and arm. No torch here."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from alexbench.errors import BadInput
from alexbench.report.csv_files import literal
from alexbench.report.markdown import plain
from alexbench.report.written import Written, write_text

KEYS = ["kind", "shape", "direction", "implementation", "memory_format", "precision"]
KEYS += ["cudnn_benchmark", "batch", "side"]
NUMBERS = {
    "median_seconds": "{:.4g}",
    "iqr_seconds": "{:.2g}",
    "gflop_per_second": "{:.3g}",
    "gigabyte_per_second": "{:.3g}",
    "arithmetic_intensity": "{:.3g}",
    "percent_of_peak": "{:.3g}",
    "peak_memory_bytes": "{:.0f}",
}


Number = Annotated[float, Field(ge=1e-6, le=1e18)]
Seconds = Annotated[float, Field(ge=1e-12, le=1e6)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class Facts(TypedDict):
    """What a benchmark says of its case."""

    kind: Literal["conv", "pool", "lrn", "net", "train_step"]
    shape: Name
    direction: Literal["forward", "backward", "both", "step"]
    implementation: Name
    memory_format: Name
    precision: Name
    cudnn_benchmark: bool
    batch: Annotated[int, Field(ge=1)]
    side: Annotated[int, Field(ge=1)]
    flops: Number
    bytes: Number
    peak_memory_bytes: Annotated[float, Field(ge=0, le=1e18)]
    gemm_gflop_per_second: Number
    copy_gigabyte_per_second: Number


class Samples(TypedDict):
    """The times of a benchmark in seconds."""

    data: Annotated[list[Seconds], Field(min_length=1)]


class Benchmark(TypedDict):
    """One benchmark."""

    extra_info: Facts
    stats: Samples


class Setup(TypedDict):
    """The device, and what else the machine says of itself."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    processor: Name
    device: Name
    num_threads: Annotated[int, Field(ge=1)]


class MeasuredOn(TypedDict):
    """The machine that measured."""

    alexbench: Setup


class Stored(TypedDict):
    """What pytest-benchmark stored, as far as it is read here."""

    machine_info: MeasuredOn
    benchmarks: Annotated[list[Benchmark], Field(min_length=1)]


_ADAPTER = TypeAdapter(Stored)


def rows(stored: Any) -> pd.DataFrame:
    """A row for every benchmark of a pytest-benchmark JSON.

    percent_of_peak: of what the measured matrix product and copy allow at that arithmetic
    intensity (FLOPs a byte); ``bound`` names the one of the two that does.
    """
    return pd.DataFrame([row(benchmark) for benchmark in stored["benchmarks"]])


def row(benchmark: dict[str, Any]) -> dict[str, Any]:
    """Returns the row of one benchmark: its case, times, rates and ceilings."""
    facts, samples = benchmark["extra_info"], benchmark["stats"]["data"]
    low, median, high = (float(value) for value in np.percentile(samples, [25, 50, 75]))
    gflop_per_second = facts["flops"] / median / 1e9
    intensity = facts["flops"] / facts["bytes"]
    gemm, copy = facts["gemm_gflop_per_second"], facts["copy_gigabyte_per_second"]
    ceiling = min(gemm, intensity * copy)
    return {
        **{key: facts[key] for key in KEYS},
        "median_seconds": median,
        "iqr_seconds": high - low,
        "rounds": len(samples),
        "gflop_per_second": gflop_per_second,
        "gigabyte_per_second": facts["bytes"] / median / 1e9,
        "arithmetic_intensity": intensity,
        "percent_of_peak": 100 * gflop_per_second / ceiling,
        "bound": "gemm" if ceiling == gemm else "copy",
        "peak_memory_bytes": facts["peak_memory_bytes"],
        "gemm_gflop_per_second": gemm,
        "copy_gigabyte_per_second": copy,
    }


def markdown(table: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The table for people: one section a kind, the machine and the ceilings on top."""
    lines = [
        "# Kernel throughput",
        "",
        *(f"- {plain(f'{key}: {machine[key]}')}" for key in sorted(machine)),
    ]
    ceilings = table.groupby("precision", sort=False).first()
    for precision, first in ceilings.iterrows():
        lines.append(
            f"- measured ceilings, {precision}: {first.gemm_gflop_per_second:.3g} GFLOP/s in a "
            f"matrix product, {first.copy_gigabyte_per_second:.3g} GB/s in a copy"
        )
    lines += ["", "percent_of_peak is of the ceiling that binds at that arithmetic intensity."]
    lines += ["It can exceed 100: a ceiling is what a product or a copy reached, and no limit."]
    lines += ["The model of FLOPs and bytes is in alexbench/bench/cost.py.", ""]
    for kind, part in table.groupby("kind", sort=False):
        shown = part[[key for key in KEYS[1:] if part[key].nunique() > 1 or key == "shape"]].copy()
        for name, form in NUMBERS.items():
            shown[name] = [form.format(value) for value in part[name]]
        text = shown.to_markdown(index=False, disable_numparse=True)
        lines += [f"## {kind}", "", text, ""]
    return "\n".join(lines)


def named(machine: dict[str, Any]) -> str:
    """The name of a machine: its GPU, or its processor and threads."""
    if machine["device"] == "cpu":
        return f"{machine['processor']}, {machine['num_threads']} threads"
    return str(machine["device"])


def read(measured: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of what pytest-benchmark measured, and its machine; raises BadInput."""
    try:
        content = measured.read_bytes() if measured.is_file() else b""
        _ADAPTER.validate_json(content, strict=True)
        stored = json.loads(content)
        return rows(stored), stored["machine_info"]["alexbench"]
    except (OSError, ValueError, RecursionError):
        raise BadInput(f"{measured}: is not what `alexbench bench` wrote; move it away") from None


def write(measured: Path) -> list[Path]:
    """Write CSV, Markdown and roofline beside what pytest-benchmark measured; returns their paths.

    Raises BadInput for a JSON that is not of ``alexbench bench``, and RunFailed.
    """
    from alexbench.report import figures, roofline

    table, machine = read(measured)
    paths = [measured.with_suffix(suffix) for suffix in (".csv", ".md", ".png")]
    cells = table.map(lambda cell: literal(cell) if isinstance(cell, str) else cell)
    text = cells.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    written = Written([], [])
    written.by(lambda: write_text(text, paths[0]))
    written.by(lambda: write_text(markdown(table, machine), paths[1]))
    written.by(lambda: figures.save_png(roofline.draw(table, named(machine)), paths[2]))
    return written.whole()
