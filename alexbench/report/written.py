"""Which files of a report could be written: one that cannot costs itself alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from alexbench.errors import RunFailed
from alexbench.runs.files import write_text_safely


class Written(NamedTuple):
    """The files of a report that were written, and why others could not be."""

    paths: list[Path]
    failures: list[str]

    def by(self, write_: Callable[[], Path | Sequence[Path]]) -> None:
        """Call what writes a file or several; a failure costs these alone."""
        try:
            paths = write_()
        except RunFailed as error:
            self.failures.append(str(error))
        else:
            self.paths.extend([paths] if isinstance(paths, Path) else paths)

    def whole(self) -> list[Path]:
        """The paths; raises RunFailed where a file is missing."""
        if self.failures:
            raise RunFailed("; ".join(self.failures))
        return self.paths


def write_text(text: str, path: Path) -> Path:
    """Writes the text in one step; returns the path."""
    write_text_safely(text, path)
    return path
