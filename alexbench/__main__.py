"""``python -m alexbench``: the command line, with errors as one line and an exit status."""

import errno
import itertools
import os
import re
import sys
from collections.abc import Sequence

from alexbench.cli.app import app
from alexbench.cli.bench import bench, gate
from alexbench.cli.compare import compare
from alexbench.cli.data import data
from alexbench.cli.show import show
from alexbench.config.placement import torchrun_is_on
from alexbench.errors import BadInput, RunFailed, shown
from alexbench.launch import streams

app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
app.command()(gate)
app.command()(show)
app.command()(compare)


# of a path that cannot be one, or may not be read
BAD_PATH = (errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM)


def main() -> None:
    """Run a command. Exit status 2 for bad input, 1 for a failed run."""
    os.environ["MPLBACKEND"] = "agg"  # a notebook's own is not for files
    streams.make_safe()
    try:
        if torchrun_is_on():
            under_torchrun()
        else:
            sys.exit(command_line())
    except (BadInput, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except MemoryError:
        print("error: out of memory: finished runs are kept", file=sys.stderr)
        sys.exit(RunFailed.exit_status)


def command_line() -> int:
    """Run the command; returns its exit status. Raises BadInput, RunFailed.

    What the command line itself refuses is one line as well. Its errors are told by what they can
    do, as typer has click inside it in newer versions.
    """
    refuse_empty(sys.argv[1:])
    try:
        status = app(standalone_mode=False) or 0
        streams.check_stdout()
        return status
    except (BadInput, RunFailed):
        raise
    except OSError as error:
        if error.errno not in BAD_PATH or not error.filename:
            raise
        raise BadInput(f"{shown(str(error.filename))}: {error.strerror}") from None
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no command: its message is the help
            error.show()  # type: ignore[attr-defined]
            return 2
        if not hasattr(error, "format_message"):
            raise
        raise BadInput(" ".join(error.format_message().split())) from None


def refuse_empty(arguments: Sequence[str]) -> None:
    """Raises BadInput for an empty argument, as a script gives for a variable that is not set."""
    for before, argument in itertools.pairwise(["", *arguments]):
        if re.fullmatch(r"--[\w-]+=", argument):
            raise BadInput(f"{argument.removesuffix('=')}: is empty")
        if not argument:
            raise BadInput(f"the argument behind {shown(before) or 'alexbench'} is empty")


def under_torchrun() -> None:
    """Run the command in torchrun's first process; the others take part in its runs."""
    from alexbench.launch import torchrun

    if os.environ["RANK"] != "0":
        torchrun.follow()
        return
    try:
        sys.exit(command_line())
    finally:
        torchrun.dismiss()


if __name__ == "__main__":
    main()
