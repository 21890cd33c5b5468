"""``alexbench bench``: run the benchmarks, and make their table and figure."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alexbench.bench.machine import machine_name
from alexbench.config.paths import shipped_folder
from alexbench.errors import BadInput, RunFailed
from alexbench.launch.child import surroundings
from alexbench.launch.slots import cores, one_device
from alexbench.report import kernel_table


def run_suite(
    device: str = "auto",
    results: str = "results",
    threads: int | None = None,
    rounds: int = 10,
    select: str | None = None,
    seconds: float | None = None,
) -> list[Path]:
    """Run ``benchmarks/`` with pytest-benchmark and write JSON, CSV, Markdown and roofline.

    threads: of the CPU; None: all cores. select: only the benchmarks whose ids match, as for
    ``pytest -k``. seconds: none is begun later; None: all are measured. Returns the paths
    written, in results/benchmarks/. Raises BadInput, and RunFailed where a benchmark failed, after
    what the others measured was written.
    """
    began, folder = time.time(), shipped_folder("benchmarks")
    if not (folder / "conftest.py").is_file():
        raise BadInput("the benchmarks are not installed: run alexbench bench from a checkout")
    device = one_device(device)
    threads = threads or cores()
    if threads > cores() or rounds < 1:
        raise BadInput(f"--threads {threads}, --rounds {rounds}: from 1 to {cores()}, from 1")
    target = Path(results, "benchmarks")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target) as scratch:
        unfinished = Path(scratch, "measured.json")
        options: dict[str, str | float] = {"device": device, "threads": threads, "rounds": rounds}
        if seconds is not None:
            options["until"] = began + seconds
        whole = measure(folder, unfinished, options, select)
        machine = json.loads(unfinished.read_text())["machine_info"]["alexbench"]
        measured = unfinished.replace(target / f"{machine_name(machine)}.json")
    written = [measured, *kernel_table.write(measured)]
    if not whole:
        raise RunFailed(f"a benchmark failed, see above; the others are in {written[1]}")
    return written


def measure(
    folder: Path, unfinished: Path, options: dict[str, str | float], select: str | None
) -> bool:
    """Run the benchmarks in ``folder`` with its options; whether none failed. Raises as above."""
    command = [
        *(sys.executable, "-m", "pytest", str(folder), f"--rootdir={folder}", "-q", "--no-header"),
        *("-o", "addopts=", "-o", "python_files=bench_*.py", "-p", "no:cacheprovider"),
        *("-k", select or "", *(f"--{name}={value}" for name, value in options.items())),
        *("-W", "default", "-W", "ignore::pytest_benchmark.logger.PytestBenchmarkWarning"),
        *("--benchmark-quiet", f"--benchmark-json={unfinished}"),
    ]
    environment = {
        **surroundings(),
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "OMP_NUM_THREADS": str(options["threads"]),
    }
    # in a worker of xdist pytest-benchmark would not measure; the others are for other tests
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        environment.pop(name, None)
    done = subprocess.run(command, env=environment)
    if done.returncode == 5 or (done.returncode == 0 and not unfinished.exists()):
        raise BadInput(f"--select {select}: matches no benchmark in {folder}")
    if done.returncode == 4:
        raise BadInput(f"--select {select}: pytest does not understand it, see above")
    if not unfinished.exists() or not unfinished.stat().st_size:
        raise RunFailed("all benchmarks failed, see above; there is no table")
    return done.returncode == 0
