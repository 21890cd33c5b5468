"""The two ways in which alexbench says no: bad input (status 2) and a failed run (status 1)."""


class BadInput(Exception):
    """What the user gave cannot be used: one line that says what, where, and what is allowed."""

    exit_status = 2


class RunFailed(Exception):
    """Something went wrong while running: one line that says what, and what is left."""

    exit_status = 1


class ProcessLost(Exception):
    """A run ended because one of its processes did; it can go on from its checkpoint."""
