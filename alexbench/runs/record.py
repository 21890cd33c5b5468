"""The record of one run: its configuration, history and machine, as a JSON file. No torch here."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from alexbench.config.schema import differences
from alexbench.errors import BadInput, shown
from alexbench.runs import consistency, files
from alexbench.runs.sections import (
    MOST_CLASSES_IN_CONFUSION,
    SCHEMA_VERSION,
    DataSection,
    Environment,
    HistoryRow,
    Measurements,
    RunRecord,
    pack_correct,
    unpack_correct,
    was_trained,
)

__all__ = [
    "MOST_CLASSES_IN_CONFUSION",
    "SCHEMA_VERSION",
    "DataSection",
    "Environment",
    "HistoryRow",
    "Measurements",
    "RunRecord",
    "pack_correct",
    "read",
    "read_folder",
    "unpack_correct",
    "was_trained",
    "write",
]

Found = list[tuple[Path, RunRecord]]
_ADAPTER = TypeAdapter(RunRecord)


def write(record: RunRecord, path: Path) -> None:
    """Write ``record`` so that ``path`` holds all of it or does not change.

    Keys keep their order and floats their last bit; what is not a finite number becomes null.
    Raises RunFailed if the disk does not take it.
    """
    files.write_text_safely(_dumps(record), path)


def read(path: Path) -> RunRecord:
    """Return the record in ``path``, checked whole; BadInput in one line if it is none."""
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({files.reason(error)})") from error
    try:
        record = _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise BadInput(f"{path}: {why_none(error)}") from None
    if wrong := consistency.contradiction(record, path.stem):
        raise BadInput(f"{path}: {wrong}")
    return record


def why_none(error: ValidationError) -> str:
    """The first thing that makes a file no record, in words."""
    first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:
        return "is not a whole record (truncated?); delete it"
    if first["loc"] == ("schema_version",) and first["type"].endswith("than_equal"):
        version = shown(first["input"])
        return f"has schema version {version}, this alexbench reads {SCHEMA_VERSION}"
    where = ".".join(shown(part) for part in first["loc"])
    return f"key '{where}': {first['msg'].lower()}"


def read_folder(
    folder: Path,
    check: Callable[[RunRecord], str | None] = lambda record: None,
    many_rates: bool = False,
) -> tuple[list[RunRecord], list[str]]:
    """Return the records of ``folder`` in the order of their file names, and a line a refusal.

    Refused are files that are no records, records that ``check`` complains about, records whose
    data differ from those of the newest record in the folder or whose configuration differs from
    that of the newest record of the variant, and a second record of one variant and seed.
    ``many_rates``: an arm has records at several learning rates.
    """
    found: list[tuple[Path, RunRecord]] = []
    refusals: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = read(path)
        except BadInput as error:
            refusals.append(str(error))
            continue
        complaint = check(record)
        if complaint:
            refusals.append(f"{path}: {complaint}")
        else:
            found.append((path, record))
    found, odd = _consistent(found, many_rates)
    found, twice = _once_a_seed(found)
    return [record for _, record in found], refusals + odd + twice


def _consistent(found: Found, many_rates: bool) -> tuple[Found, list[str]]:
    """Keep the records with the data of the newest one and, within a variant, the configuration of
    its newest one (tuning tries several, so its records are exempt)."""
    by_age = sorted(found, key=lambda each: (each[1].environment["date"], each[0].name))
    sha256 = by_age[-1][1].data["sha256"] if by_age else ""
    configs = {
        each.variant: _settings(each, many_rates)
        for _, each in by_age
        if each.data["sha256"] == sha256 and each.purpose == "measure"
    }
    kept, refusals = [], []
    for path, each in found:
        if each.data["sha256"] != sha256:
            refusals.append(
                f"{path}: used other data (sha256 {each.data['sha256'][:12]}) than the newest "
                "record of this folder; move it away"
            )
        elif each.purpose == "measure" and _settings(each, many_rates) != configs[each.variant]:
            refusals.append(
                f"{path}: was trained with another configuration than the newest record of "
                f"variant '{each.variant}'; move it away"
            )
        else:
            kept.append((path, each))
    return kept, refusals


def _settings(record: RunRecord, many_rates: bool) -> dict[str, dict[str, Any]]:
    """What a record's configuration changes; without its learning rate if an arm has several."""
    changed = differences(record.config)
    if not many_rates:
        return changed
    return changed | {"train": {k: v for k, v in changed["train"].items() if k != "lr"}}


def _once_a_seed(found: Found) -> tuple[Found, list[str]]:
    first: dict[tuple[str, int, float], Path] = {}
    kept, refusals = [], []
    for path, record in found:
        earlier = first.setdefault(
            (record.variant, record.seed, record.config["train"]["lr"]), path
        )
        if earlier == path or record.purpose == "tune":
            kept.append((path, record))
        else:
            refusals.append(
                f"{path}: variant '{record.variant}', seed {record.seed} is already told by "
                f"{earlier.name}; move one of them away"
            )
    return kept, refusals


def _dumps(record: RunRecord) -> str:
    """Return JSON with a line a field, and within tables a line a row: it diffs and greps well."""
    lines = []
    for field in fields(record):
        value = _finite(getattr(record, field.name))
        if field.name == "files" and not value:  # of shipped ablations; older records have none
            continue
        if isinstance(value, list) and value:
            rows = ",\n  ".join(_line(row) for row in value)
            text = f"[\n  {rows}\n ]"
        else:
            text = _line(value)
        lines.append(f" {_line(field.name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return ``value`` with every float that is not finite replaced by None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value
