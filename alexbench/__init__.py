"""Ablation benchmarks for the AlexNet paper: measured deltas beside the paper's own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def run(ablation: str, profile: str = "laptop", **options: Any) -> "pd.DataFrame":
    """Train an ablation and return its comparison: see ``alexbench.sweep.run`` for the options."""
    from alexbench.sweep import run  # torch is imported only by what trains

    return run(ablation, profile, **options)
