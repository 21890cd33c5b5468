"""Histories as runs of wandb or trackio, on this machine alone, while the runs are in hand."""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexbench.runs.run import Run
from alexbench.training.state import Row

# nothing leaves the machine, and nothing samples it beside the training
ALONE: dict[str, dict[str, Any]] = {
    "wandb": {"mode": "offline", "settings": {"x_disable_stats": True, "silent": True}},
    "trackio": {"auto_log_cpu": False, "auto_log_gpu": False},
}
REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_WEBHOOK_URL")


class Tracked:
    """One run in ``<package>/`` beside the records; each attempt writes anew.

    package: wandb or trackio, whose init, log and finish agree. Nothing is sent: a folder of wandb
    is sent by ``wandb sync``.
    """

    def __init__(self, package: str, run: Run, folder: Path) -> None:
        place = folder.resolve() / package
        place.mkdir(parents=True, exist_ok=True)
        os.environ |= {"WANDB_DIR": str(place), "TRACKIO_DIR": str(place)}
        for variable in REMOTE:
            os.environ.pop(variable, None)
        self.tracker: Any = importlib.import_module(package)
        self.tracker.init(
            project=f"alexbench-{run.ablation}",
            name=run.stem,
            group=run.variant,
            config=run.config.model_dump(mode="json"),
            **ALONE[package],
        )
        self.epochs = 0

    def write(self, history: Sequence[Row]) -> None:
        """Add the epochs that are new: a curve for each number of a row."""
        for row in history[self.epochs :]:
            numbers = {name: value for name, value in row.items() if value is not None}
            self.tracker.log(numbers, step=row["epoch"])
        self.epochs = len(history)

    def close(self) -> None:
        """End the run, so that the next one of this process is another.

        wandb has a process that writes later: it ends first, as that of a worker is killed.
        """
        self.tracker.finish()
        if self.tracker.__name__ == "wandb":
            self.tracker.teardown()
