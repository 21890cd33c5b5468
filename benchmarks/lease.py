"""Ten minutes on a borrowed GPU: python benchmarks/lease.py OUT, as ``make lease`` says.

Each command of a phase is a process of its own with a deadline; what a phase found is written
before the next one starts, and its failure or its end by the deadline stops no other. OUT has at
most 8 files. On a machine without a GPU the phases that need one are skipped, and say so.

``--portion 2`` is a second call, for what the first has no time for. ``--only runs --results
results.tar.gz`` spends another ten minutes on the runs that the last call left unfinished, and they
go on from their checkpoints.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

TREE = Path(__file__).parents[1]
TOTAL_SECONDS = 570  # of the lender's 600
MOST_FILES = 8
ALEXBENCH = (sys.executable, "-m", "alexbench")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
TESTED = ("tests/kernels", "tests/training", "tests/parallel", "tests/launch")  # with GPU tests
ABLATIONS = ("lrn", "relu")
MPS = "nvidia-cuda-mps-control"
TABLES = Path("bench", "benchmarks")  # ``alexbench bench --results bench`` writes there too
LIMIT = "LIMIT"  # a word of a command that stands for the seconds left to it
MARGIN_SECONDS = 40.0  # of these, to end what was begun and to write what was measured
PATIENCE_SECONDS = 10.0  # for a checkpoint, after a deadline
TINY = ("train.epochs=1", "train.lr=0.05", "data.train_images=260", "data.test_images=52")
Command = tuple[str, ...]


@dataclass(frozen=True)
class Phase:
    """One measurement: its commands, one after the other, and when they must be done.

    Each may take an equal share of the time that those before it left.
    """

    name: str
    seconds: float
    commands: tuple[Command, ...]
    needs_gpu: bool = True
    portion: int = 1  # which call has it
    mps: bool = False  # whether NVIDIA's MPS is started for it, so that runs share the GPU


@dataclass
class Outcome:
    """How a phase ended: done, failed, deadline, skipped; and after how many seconds."""

    name: str
    status: str
    seconds: float = 0.0
    why: str = ""


def phases(out: Path, work: Path, images: str | None) -> list[Phase]:
    """Everything to do, in the order of its worth. images: the folder of CIFAR-10, if it is here.

    work: a folder for what does not come back as it is: records, tables, caches.
    """
    records, bench_results = str(work / "results"), str(work / "bench")
    tables = work / TABLES
    data = ("--data-root", images) if images else ()
    common = ("--results", records, *data)
    two = ("--seeds", "1", "--set", "train.exchange=gloo", "--set", "train.epochs=3")
    asked = ("--profile", "cifar10", "--device", "cuda", *common)
    on_cpu = ("--profile", "cifar10", "--device", "cpu", *common)  # only decodes the images
    graph = ("--set", "train.cuda_graph=true")
    plans = tuple((*ALEXBENCH, "plan", name, *asked, *graph) for name in ABLATIONS)
    decode = (*ALEXBENCH, "plan", ABLATIONS[0], *on_cpu)
    real = tuple(
        (*ALEXBENCH, "run", name, *asked, "--seeds", "2", *settings()) for name in ABLATIONS
    )
    cases = ("--cases", "lrn_auto,step_cifar4,step_alexnet_small,evaluation")
    gate = (*ALEXBENCH, "gate", "--base", str(TREE), "--rounds", "10", *cases)
    speed = (sys.executable, "-m", "benchmarks.throughput", "--device", "cuda", "--rounds", "5")
    alexnet = (*speed, "--net", "alexnet", "--csv", str(tables / "alexnet_throughput.csv"))
    written = ("--csv", str(out / "throughput.csv"), "--trace", str(out / "trace.json.gz"))
    arms: dict[str, Command] = {
        "lrn": (),
        "lrn_nchw": ("--memory-format", "nchw"),
        "lrn_bf16": ("--precision", "bf16"),
        "lrn_compiled": ("--compiled",),
    }
    on_cuda = (*ALEXBENCH, "bench", "lrn", "--device", "cuda")
    lrn = {
        name: (*on_cuda, *options, "--csv", str(tables / f"{name}.csv"))
        for name, options in arms.items()
    }
    layers = "not fp16 and not slices and not banded and not dense and not autotuned"
    select = f"{layers} and not (test_net and vgg)"  # a large net takes long to build
    bench = (*ALEXBENCH, "bench", "--select", select, "--rounds", "5", "--seconds", LIMIT)
    small = (*ALEXBENCH, "run", "pooling", "--device", "cuda", "--seeds", "4")
    # beside 40 epochs the start of eight processes is short
    long = (*small, "--set", "train.epochs=40")
    one, eight, mps = (
        (*long, "--results", str(work / f"packing{number}"), "--jobs", jobs)
        for number, jobs in enumerate(("1", "8", "8"))
    )
    return [
        Phase("smoke", 240, (smoke(work),), needs_gpu=False),
        Phase("tests", 90, ((*PYTEST, "-m", "gpu", f"--junitxml={out / 'tests.xml'}", *TESTED),)),
        Phase("lrn", 60, (lrn["lrn"],)),
        Phase("throughput", 90, ((*speed, *written),)),
        Phase("alexnet", 50, (alexnet,)),
        Phase("images", 30, (decode,)),
        Phase("plan", 70, plans),
        Phase("runs", 180, real),
        Phase("lrn_nchw", 50, (lrn["lrn_nchw"],), portion=2),
        Phase("bench", 170, ((*bench, "--results", bench_results),), portion=2),
        Phase("gate", 80, (gate,), portion=2),
        Phase("lrn_compiled", 80, (lrn["lrn_compiled"],), portion=2),
        Phase("lrn_bf16", 50, (lrn["lrn_bf16"],), portion=2),
        Phase("two_processes", 50, ((*ALEXBENCH, "run", "two_gpu", *common, *two),), portion=2),
        Phase("packing_one", 30, (one,), portion=2),
        Phase("packing_eight", 30, (eight,), portion=2),
        Phase("packing_mps", 30, (mps,), portion=2, mps=True),
    ]


def chosen(planned: list[Phase], only: list[str], portion: int = 1) -> list[Phase]:
    """The phases of a portion; or those that are named alone, with all the time in proportion."""
    if unknown := set(only) - {phase.name for phase in planned}:
        raise SystemExit(f"--only {unknown.pop()}: has to be of {[p.name for p in planned]}")
    kept = [phase for phase in planned if phase.name in only]
    whole = sum(phase.seconds for phase in kept)
    named = [replace(each, seconds=each.seconds * TOTAL_SECONDS / whole) for each in kept]
    return named or [phase for phase in planned if phase.portion == portion]


def settings() -> Command:
    """A short schedule at one rate, as tuning would take the rest's time; the step as a graph."""
    wanted = (
        "train.epochs=20",
        "train.lr_drop_epochs=[16,18]",
        "train.lr=0.02",
        "train.cuda_graph=true",
    )
    return tuple(word for setting in wanted for word in ("--set", setting))


def smoke(work: Path) -> Command:
    """A run so small that it says only whether the tree works here, not installed."""
    words = [word for setting in TINY for word in ("--set", setting)]
    where = ("--results", str(work / "smoke"), "--seeds", "1", "--jobs", "1", "--device", "cpu")
    return (*ALEXBENCH, "run", "lrn", *where, *words)


def perform(phase: Phase, log: Path, left: float) -> Outcome:
    """Run a phase's commands, of which one that fails or takes too long stops no other.

    Past its share of the phase's time, or of the lease's, all processes of a command end.
    """
    began, failure, late = time.monotonic(), "", ""
    whole = began + min(phase.seconds, left)
    for number, words in enumerate(phase.commands):
        others = len(phase.commands) - number - 1
        share = (whole - time.monotonic()) / (others + 1)
        if others:  # one that is late takes some seconds more to leave
            share = max(share / 2, share - PATIENCE_SECONDS)
        deadline = time.monotonic() + share
        limit = max(1.0, share - MARGIN_SECONDS)
        command = tuple(f"{limit:.0f}" if word == LIMIT else word for word in words)
        started = time.monotonic()
        with log.open("a", encoding="utf-8") as file:
            print(f"\n=== {phase.name}: {' '.join(command)}", file=file, flush=True)
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, cwd=TREE, start_new_session=True
            )
            try:
                status = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                end(process)
                late = late or " ".join(command[2:5])
                continue
            print(f"--- {time.monotonic() - started:.1f} s, exit status {status}", file=file)
        if status and not failure:
            failure = f"exit status {status}: {command[2:5]}"
    ended = "failed" if failure else "deadline" if late else "done"
    return Outcome(phase.name, ended, time.monotonic() - began, failure or late)


def with_mps(phase: Phase, log: Path, left: float) -> Outcome:
    """``perform`` while NVIDIA's MPS serves the GPU; skipped where it does not start."""
    nowhere = subprocess.DEVNULL  # a pipe would stay open in the daemon
    try:
        subprocess.run([MPS, "-d"], check=True, stdout=nowhere, stderr=nowhere, timeout=10)
        why = ""
    except (OSError, subprocess.SubprocessError) as error:
        why = f"MPS does not start: {error}"
    try:
        return Outcome(phase.name, "skipped", why=why) if why else perform(phase, log, left)
    finally:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run([MPS], input=b"quit\n", stdout=nowhere, stderr=nowhere, timeout=10)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a session to leave, as a run then writes a checkpoint; then kill it."""
    for number, patience in ((signal.SIGINT, PATIENCE_SECONDS), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def facts() -> dict[str, Any]:
    """The machine and its software."""
    import torch

    from alexbench.training import environment

    on_cuda = torch.cuda.is_available()
    told: dict[str, Any] = {
        "commit": environment.commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": environment.processor(),
        "cores": os.cpu_count(),
        "gpu": environment.gpu(torch.device("cuda:0")) if on_cuda else None,
    }
    if on_cuda:
        found = torch.cuda.get_device_properties(0)
        told |= {"gpu_bytes": found.total_memory, "capability": f"{found.major}.{found.minor}"}
    return told


def unpack(images: Path, work: Path) -> None:
    """Put CIFAR-10's images, out of the archive that was carried, where runs look for them."""
    with tarfile.open(images) as tar:
        tar.extractall(work / "images", filter="data")


def keep(out: Path, work: Path) -> None:
    """Write what is there so far as few files: records that ``alexbench report`` takes, tables."""
    for name in ("results", "bench"):
        if (work / name).is_dir():
            unfinished = out / f"{name}.partial"
            with tarfile.open(unfinished, "w:gz") as tar:
                tar.add(work / name, name)
            unfinished.replace(out / f"{name}.tar.gz")


def write_readings(readings: list[Any], path: Path) -> None:
    """The telemetry as a table: a row a reading."""
    told = [["" if each is None else each for each in asdict(one).values()] for one in readings]
    lines = [",".join(map(str, each)) for each in told]
    header = "seconds,megahertz,watts,celsius,reasons"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def take_up(results: Path | None, work: Path) -> None:
    """Put the records and checkpoints of an earlier call where this one goes on with them."""
    if results is not None:
        with tarfile.open(results) as tar:
            tar.extractall(work, filter="data")


def lease(asked: argparse.Namespace, say: Callable[[str], None]) -> list[Outcome]:
    """Perform every phase; returns how each ended. Files in OUT are whole after each phase."""
    out: Path = asked.out.resolve()
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    told = facts()
    say(json.dumps(told, indent=1))
    import torch

    from alexbench.training.telemetry import Telemetry, judge, reader

    device = torch.device("cuda:0" if told["gpu"] else "cpu")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="lease-") as folder, Telemetry(reader(device)) as gpu:
        work = Path(folder)
        os.environ["ALEXBENCH_CACHE"] = str(work / "cache")
        images = str(work / "images") if asked.images.is_file() else None
        planned = chosen(phases(out, work, images), asked.only, asked.portion)
        if images and any(images in command for phase in planned for command in phase.commands):
            unpack(asked.images, work)
        take_up(asked.results, work)
        (work / TABLES).mkdir(parents=True, exist_ok=True)
        for phase in planned:
            left = TOTAL_SECONDS - (time.monotonic() - began)
            if phase.needs_gpu and not told["gpu"]:
                outcome = Outcome(phase.name, "skipped", why="needs a GPU, and there is none here")
            elif left <= 0:
                outcome = Outcome(phase.name, "skipped", why="no time is left")
            else:
                act = with_mps if phase.mps else perform
                outcome = act(phase, out / "log.txt", left)
            outcomes.append(outcome)
            say(f"{outcome.name}: {outcome.status} {outcome.why} ({outcome.seconds:.0f} s)")
            keep(out, work)
            state = {"facts": told, "clock": judge(gpu.readings)}
            content = state | {"phases": [asdict(each) for each in outcomes]}
            (out / "phases.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
            write_readings(gpu.readings, out / "telemetry.csv")
    assert len(list(out.iterdir())) <= MOST_FILES
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the results, at most 8 files")
    default = TREE / ".lease" / "cifar10-jpeg.tar.gz"
    parser.add_argument("--images", type=Path, default=default, help="CIFAR-10 as JPEG, tar.gz")
    parser.add_argument("--results", type=Path, help="results.tar.gz of a call, to go on from")
    parser.add_argument("--portion", type=int, choices=(1, 2), default=1, help="which call it is")
    parser.add_argument("--only", nargs="+", default=[], help="phases, which share all the time")
    lease(parser.parse_args(), lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
