"""Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def run(ablation: str, profile: str = "laptop", **options: Any) -> "pd.DataFrame":
    """Train an ablation and return its comparison: a row a claim or metric and variant.

    The options are those of ``alexbench.sweep.prepare``: seeds, settings, device, data_root,
    results, jobs, threads, and those of ``execution.RunOptions``. Raises BadInput before anything
    trains, RunFailed when a run failed.
    """
    from alexbench.analysis.comparison import ComparisonRow
    from alexbench.launch.sweep import carry_out, prepare
    from alexbench.report.build import frame

    return frame(ComparisonRow, carry_out(prepare(ablation, profile, **options)))
