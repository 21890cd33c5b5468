"""``alexbench.run``: a call from Python, with errors in the words of that call."""

import re
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral
from typing import Any

from alexbench.config.execution import RunOptions
from alexbench.config.paths import as_path
from alexbench.config.yaml_file import hint
from alexbench.errors import BadInput, RunFailed, shown
from alexbench.launch import sweep
from alexbench.launch.sweep import SweepOptions
from alexbench.report.result import Result, as_texts

KEYWORDS = [each.name for each in fields(SweepOptions) if each.name != "run"]
KEYWORDS += RunOptions.model_fields
AS_OPTIONS = {"set": "settings"} | {name.replace("_", "-"): name for name in KEYWORDS}


def carry_out(ablation: Any, profile: Any, options: dict[str, Any]) -> Result:
    """Train what is missing and return the result; as ``alexbench.run``."""
    for name in options:
        if name not in KEYWORDS:
            meant = hint(name, ["ablation", "profile", *KEYWORDS])
            raise TypeError(f"run() has no keyword '{name}'{meant}")
    if not isinstance(ablation, Mapping):
        ablation = as_path("ablation", ablation)
    plain = options | {"settings": as_texts(options["settings"])}
    paths = ["device", "results"] + ["data_root"] * (options["data_root"] is not None)
    plain |= {name: as_path(name, options[name]) for name in paths}
    for name in ("seeds", "jobs", "threads"):
        plain[name] = as_count(name, options.get(name))
    try:
        prepared = sweep.prepare(
            ablation, as_path("profile", profile), sweep.sweep_options(**plain)
        )
        return sweep.carry_out(prepared)
    except (BadInput, RunFailed) as error:
        raise type(error)(in_words_of_the_call(str(error))) from error.__cause__


def as_count(name: str, value: Any) -> int | None:
    """A whole number of any integer type, or None. Raises BadInput for something else."""
    if value is None:
        return None
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    raise BadInput(f"{name}: {shown(value)} should be a whole number, or None")


def in_words_of_the_call(message: str) -> str:
    """A message about ``--data-root`` as one about ``data_root``."""
    names = "|".join(sorted(AS_OPTIONS, key=len, reverse=True))
    return re.sub(rf"(?<!\S)--({names})\b(?!-)", lambda found: AS_OPTIONS[found[1]], message)
