"""The settings of ``--set`` that a folder of results was made with. No torch here.

Runs with settings by hand have a folder of their own, ``<profile>,<hash of the settings>``; the
settings are in ``settings.json`` in it.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexbench.config.ablation import Ablation
from alexbench.config.overrides import parse_settings
from alexbench.config.schema import Overrides
from alexbench.errors import BadInput
from alexbench.runs import files

FILE = "settings.json"
DIGITS = 10  # of the hash
MOST_BYTES = 100_000


def folder_name(profile: str, settings: Overrides) -> str:
    """The name of the folder: the profile, and where something was set, a hash of it."""
    if not settings:
        return profile
    text = json.dumps(settings, sort_keys=True)
    return f"{profile},{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"


def write(settings: Overrides, folder: Path) -> None:
    """Write the settings into their folder, unless there are none; raises RunFailed."""
    if settings:
        files.write_text_safely(json.dumps(settings, indent=1) + "\n", folder / FILE)


def read(folder: Path) -> Overrides:
    """The settings of a folder; none where no file says so. Raises BadInput for a damaged file."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ValueError
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        right = isinstance(found, dict) and folder.name == folder_name(profile_of(folder), found)
    except (OSError, ValueError, RecursionError):
        right = False
    if not right:
        raise BadInput(f"{path}: is not what `alexbench run --set` wrote; delete it")
    return dict(found)


def profile_of(folder: Path) -> str:
    """The profile of a folder of results."""
    return folder.name.partition(",")[0]


def texts(folder: Path) -> list[str]:
    """The settings of a folder as ``--set`` takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in read(folder).items()]


def label(folder: Path) -> str:
    """What was asked, for people: the profile and the settings."""
    said = texts(folder)
    return ",".join([profile_of(folder), *said]) if said else folder.name


def resolved(ablation: Ablation, settings: Sequence[str]) -> Overrides:
    """The settings of --set as the variants have them, so that 1 and 1.0 are one value."""
    dumped = next(iter(ablation.variants.values())).model_dump(mode="json")
    keys = sorted(parse_settings(settings))
    return {key: dumped[key.partition(".")[0]][key.partition(".")[2]] for key in keys}
