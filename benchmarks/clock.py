"""Samples that were measured here, handed to pytest-benchmark as if it had measured them."""

from collections.abc import Iterable, Iterator


class Clock:
    """A timer that stands still but for the samples it is given.

    pytest-benchmark reads the host's clock around a call, which is wrong on CUDA. So ``timing``
    measures, on a CPU as well, and a round of pytest-benchmark only lets the next sample pass.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.samples: Iterator[float] = iter(())

    def __call__(self) -> float:
        return self.now

    def load(self, samples: Iterable[float]) -> None:
        self.now, self.samples = 0.0, iter(samples)

    def advance(self) -> None:
        self.now = next(self.samples)

    def rewind(self) -> None:
        self.now = 0.0
