"""Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    __version__: str


def run(ablation: str, profile: str = "laptop", **options: Any) -> "pd.DataFrame":
    """Train an ablation and return its comparison: a row a claim or metric and variant.

    The options are the fields of ``alexbench.launch.sweep.SweepOptions`` (seeds, settings, device,
    data_root, results, jobs, threads) and of ``alexbench.config.execution.RunOptions``. Raises
    BadInput before anything trains, RunFailed when a run failed.
    """
    from alexbench.analysis.comparison import ComparisonRow
    from alexbench.launch.sweep import carry_out, prepare, sweep_options
    from alexbench.report.build import frame

    sweep = prepare(ablation, profile, sweep_options(**options))
    return frame(ComparisonRow, carry_out(sweep))


def __getattr__(name: str) -> Any:
    """What takes time to load is loaded when it is asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("alexbench")
    raise AttributeError(f"module 'alexbench' has no attribute '{name}'")
