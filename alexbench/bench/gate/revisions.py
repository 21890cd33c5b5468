"""The trees that the gate compares: the checkout as it stands, and a revision of its history."""

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexbench.config.git import git
from alexbench.errors import BadInput


@contextmanager
def revision_tree(revision: str, repository: Path) -> Iterator[Path]:
    """The package of that revision in a temporary folder; the repository is only read."""
    commit = git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit is None:
        raise BadInput(
            f"--base {revision}: no such revision in {repository} "
            "(a shallow clone has none but its own: fetch the whole history)"
        )
    archive = git(repository, "archive", "--format=tar", commit.decode().strip(), "alexbench")
    if archive is None:
        raise BadInput(f"--base {revision}: holds no folder alexbench")
    with tempfile.TemporaryDirectory(prefix="alexbench-base-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder)


def check_clean(repository: Path) -> None:
    """Refuse a tree that belongs to no commit. Raises BadInput."""
    status = git(repository, "status", "--porcelain", "--untracked-files=no", "--", "alexbench")
    if status is None:
        raise BadInput(f"{repository}: is no git checkout: the gate compares two revisions of one")
    if changed := status.decode().splitlines():
        raise BadInput(
            f"{repository}: {len(changed)} changed file(s) in alexbench/, the first is "
            f"{changed[0][3:]}: commit or stash them, or give --allow-dirty"
        )
