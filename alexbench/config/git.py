"""Git, asked about one repository whatever the caller's environment says of another."""

import os
import subprocess
from pathlib import Path


def git(repository: Path, *arguments: str) -> bytes | None:
    """What git prints of that repository, whoever owns it; None where it fails.

    Variables as GIT_DIR, which git sets for its hooks, name another repository. The owner of the
    folder does not matter, as alexbench runs the code in it; its own commands are not run.
    """
    named = {key for key in os.environ if key.startswith("GIT_")} - {"GIT_EXEC_PATH"}
    environment = {key: value for key, value in os.environ.items() if key not in named}
    trusted = ("-c", f"safe.directory={repository.resolve()}", "-c", "core.fsmonitor=false")
    command = ["git", *trusted, "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, env=environment)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
