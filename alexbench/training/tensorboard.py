"""Histories as curves for TensorBoard, while the runs are in hand."""

from collections.abc import Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from alexbench.runs.run import Run
from alexbench.training.state import Row


class Curves:
    """The curves of one run, in ``tensorboard/`` beside the records; each attempt writes anew."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder / "tensorboard" / run.stem), purge_step=0)
        self.epochs = 0

    def write(self, history: Sequence[Row]) -> None:
        """Add the epochs that are new: a curve for each number of a row."""
        for row in history[self.epochs :]:
            for name, value in row.items():
                if name != "epoch" and value is not None:
                    self.writer.add_scalar(name, value, row["epoch"])
        if len(history) > self.epochs:
            self.writer.flush()
        self.epochs = len(history)

    def close(self) -> None:
        """End the file."""
        self.writer.close()
