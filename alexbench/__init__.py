"""Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

if TYPE_CHECKING:
    from alexbench.models.layers import LocalResponseNorm as LocalResponseNorm
    from alexbench.report.compare import Compared
    from alexbench.report.result import Result as Result

    __version__: str

__all__ = ["LocalResponseNorm", "Result", "__version__", "compare", "load", "run"]


class Execution(TypedDict, total=False):
    """How runs are executed; no result depends on it. The options of ``alexbench run``."""

    threads: int | None  # CPU threads of each job
    checkpoint_seconds: float
    hang_seconds: float
    on_error: Literal["keep", "stop"]
    retry_failed: bool
    reuse: bool
    launcher: Literal["local", "ray", "slurm"]
    address: str | None
    slurm: Sequence[str]
    tensorboard: bool
    tracker: Literal["wandb", "trackio"] | None


def run(
    ablation: "str | os.PathLike[str] | Mapping[str, Any]",
    profile: "str | os.PathLike[str]" = "laptop",
    *,
    seeds: int | None = None,
    settings: Mapping[str, object] | Sequence[str] = (),
    device: str = "auto",
    data_root: "str | os.PathLike[str] | None" = None,
    results: "str | os.PathLike[str]" = "results",
    jobs: int | None = None,
    **execution: Unpack[Execution],
) -> "Result":
    """Train what is missing of an ablation, write its tables, and return the result.

    ablation: a shipped name, the path of a YAML file, or a dict of what the file would hold.
    profile: a shipped name or the path of a file. seeds: runs of each variant. settings: for every
    variant, ``{"train.epochs": 1}``. device: auto, cpu, cuda, cuda:<index>, or several with
    commas. data_root: the folder of the images. results: the folder of records and tables. jobs:
    runs at one time; None: as cores or GPUs allow. execution: threads, checkpoint_seconds,
    hang_seconds, on_error, retry_failed, reuse, launcher, address, slurm, tensorboard, tracker.

    Raises BadInput before anything trains, RunFailed when a run failed.
    """
    from alexbench.launch.call import carry_out

    options = dict(
        seeds=seeds,
        settings=settings,
        device=device,
        data_root=data_root,
        results=results,
        jobs=jobs,
        **execution,
    )
    return carry_out(ablation, profile, options)


def load(
    name: "str | os.PathLike[str]",
    profile: str = "laptop",
    *,
    settings: Mapping[str, object] | Sequence[str] = (),
    results: "str | os.PathLike[str]" = "results",
) -> "Result":
    """Return the result of an ablation that was run: its records, tables and figures.

    name: an ablation's name, or the path of its file. settings: those that it was run with. An own
    ablation or profile is found by its name: its records carry the files. Raises BadInput.
    """
    from pathlib import Path

    from alexbench.config.paths import as_path
    from alexbench.report import result

    texts = result.as_texts(settings)
    asked = as_path("name", name), as_path("profile", profile)
    return result.load(*asked, texts, Path(as_path("results", results)))


def compare(
    *places: "str | os.PathLike[str]",
    baseline: str | None = None,
    ratio: bool = False,
    target: float | None = None,
    claimed: float | None = None,
) -> "Compared":
    """Compare two folders of results, or the arms of one or two CSV files.

    places: two folders, or files with the columns arm, seed, value, metric. Arms are paired where
    their seeds match, else compared by Welch's interval. baseline: the arm of CSV files that the
    others are compared with; None: the first. ratio: compare by ratio. target: a number in place of
    a baseline. claimed: a delta that differences are judged against, or with ratio a ratio. The
    result is a list of rows with ``.table`` and ``.plot()``. Raises BadInput.
    """
    from pathlib import Path

    from alexbench.config.paths import as_path
    from alexbench.report import compare as comparing

    paths = [Path(as_path("compare", place)) for place in places]
    return comparing.compare(paths, baseline, ratio=ratio, target=target, claimed=claimed)


def __getattr__(name: str) -> Any:
    """What takes time to load is loaded when it is asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("alexbench")
    if name == "Result":
        from alexbench.report.result import Result

        return Result
    if name == "LocalResponseNorm":
        from alexbench.models.layers import LocalResponseNorm

        return LocalResponseNorm
    raise AttributeError(f"module 'alexbench' has no attribute '{name}'")
