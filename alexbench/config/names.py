"""What is said of names that are wrong: of files, variants, metrics and all that is listed."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from alexbench.config import metrics
from alexbench.config.yaml_file import hint, together
from alexbench.errors import BadInput, shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
YAML = (".yaml", ".yml")  # endings of files
LONGEST_NAME = 100  # of an ablation or a variant: files are called by both, a seed and an id


def ablation_name(place: str | Path) -> str:
    """The name of an ablation from that of its file, or the name itself: k1.5 has no ending."""
    path = Path(place)
    return path.stem if path.suffix in YAML else path.name


def refuse(errors: Iterable[str]) -> None:
    """Raises BadInput for these errors, all in one line; empty ones do not count."""
    if said := [error for error in errors if error]:
        raise BadInput(together(said))


def wrong_name(where: str, name: str) -> str:
    """What is wrong with a name; nothing where it can be that of a file. where: file and key."""
    if not NAME.fullmatch(name):
        return (
            f"{where} '{shown(name)}': a name has letters, digits and _ . + - only, and begins "
            "with a letter or digit"
        )
    if len(name) > LONGEST_NAME:
        return (
            f"{where} '{shown(name)}': a name has at most {LONGEST_NAME} characters, this one has "
            f"{len(name)}"
        )
    return ""


def twice(where: str, names: Sequence[str]) -> list[str]:
    """An error for each name that is given more than once. where: the file and the key."""
    return [
        f"{where} '{shown(name)}' is given twice"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def unknown(where: str, name: str, allowed: Iterable[str]) -> str:
    """An error unless ``name`` is one of ``allowed``. where: the file and the key."""
    names = list(allowed)
    if name in names:
        return ""
    return f"{where} '{shown(name)}' is unknown{hint(name, names)}; allowed are {some(names)}"


def unknown_metric(where: str, name: str) -> str:
    """An error unless there is a metric of that name. where: the file and the key."""
    if name in metrics.METRICS:
        return ""
    levels = f"{metrics.LEVELS[0]}, {metrics.LEVELS[1]} to {metrics.LEVELS[-1]}"
    return (
        f"{where} '{shown(name)}' is unknown{hint(name, metrics.METRICS)}; allowed are "
        f"{', '.join(metrics.names())} with the levels {levels}"
    )


def some(names: Iterable[str]) -> str:
    """Names in one line; the first ones where there are many."""
    every = list(names)
    more = [f"and {len(every) - 40} more"] if len(every) > 40 else []
    return ", ".join([*map(shown, every[:40]), *more])
