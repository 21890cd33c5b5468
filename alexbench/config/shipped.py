"""What ships with alexbench: its profiles, regimes and ablations, named without a schema.

Commands that only name things load this module, and no pydantic: it takes longer than they do.
"""

from pathlib import Path
from typing import Any, NamedTuple

from alexbench.config.paths import shipped_folder

PROFILES = ("laptop", "cifar10-short", "cifar10", "imagenet")
REGIMES = ("authors", "modern", "paper")  # paper: the settings that the text states, the defaults


class Outline(NamedTuple):
    """What the list of ablations shows of one."""

    name: str
    question: str
    claims: tuple[str, ...]


def shipped_ablations() -> list[str]:
    """Names of the shipped ablations."""
    return sorted(path.stem for path in shipped_folder("ablations").glob("*.yaml"))


def outlines() -> list[Outline]:
    """The shipped ablations as their files say them for laptop; the tests validate those files."""
    folder = shipped_folder("ablations")
    files = {name: read_shipped(folder / f"{name}.yaml") for name in shipped_ablations()}
    parts = {name: file.get("profiles", {}).get("laptop", {}) for name, file in files.items()}
    return [
        Outline(
            name, file["question"], tuple(file.get("claims", {}) | parts[name].get("claims", {}))
        )
        for name, file in files.items()
    ]


def read_shipped(path: Path) -> Any:
    """The content of a YAML file that ships with alexbench; no user's: nothing bounds it here.

    PyYAML's parser in C, where it has that, takes a ninth of the time.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), loader)
