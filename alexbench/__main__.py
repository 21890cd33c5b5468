"""``python -m alexbench``: the command line, with errors as one line and an exit status."""

import sys

from alexbench.cli import app
from alexbench.errors import BadInput, RunFailed


def main() -> None:
    """Run a command; 2 for bad input, 1 for a failed run."""
    try:
        app()
    except (BadInput, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
