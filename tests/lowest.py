"""Prints each requirement of the package at the exact version of its lower bound, a line each."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOUND = re.compile(r"([\w.-]+)>=([\w.]+)")


def lowest(requirements: list[str]) -> list[str]:
    """``numpy>=2.0`` becomes ``numpy==2.0``."""
    found = [BOUND.fullmatch(each) for each in requirements]
    assert all(found), requirements
    return [f"{each[1]}=={each[2]}" for each in found if each]


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("\n".join(lowest(project["dependencies"])))
