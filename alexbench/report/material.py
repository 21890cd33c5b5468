"""What a report is made of: the records of one folder, and what was computed from them once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.summary import SummaryRow
from alexbench.config.ablation import Ablation
from alexbench.report.text import TextTable
from alexbench.runs.pictures import Pictures
from alexbench.runs.record import RunRecord


@dataclass(frozen=True)
class Material:
    """One ablation under one profile. ``at_best``: of each arm the runs at its best rate."""

    ablation: Ablation
    profile: str
    folder: Path
    records: Sequence[RunRecord]
    at_best: Sequence[RunRecord]
    tuning: Sequence[RunRecord]
    comparison: Sequence[ComparisonRow]
    summary: Sequence[SummaryRow]
    tried: TextTable | None
    pictures: Sequence[Pictures]
    left_out: Sequence[str]

    @property
    def finding(self) -> str | None:
        """What the ablation's file says of the records of this profile."""
        return self.ablation.finding_for(self.profile)
