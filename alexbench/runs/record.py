"""The record of one run: what was asked, what happened, where. Read and written without torch."""

import base64
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from alexbench.config.schema import differences
from alexbench.errors import BadInput
from alexbench.runs import files

SCHEMA_VERSION = 1
MOST_CLASSES_IN_CONFUSION = 100

Row = dict[str, Any]
Found = list[tuple[Path, "RunRecord"]]


@dataclass(frozen=True)
class RunRecord:
    """One variant trained with one seed. Errors in percent, times in seconds.

    ``history`` holds a row an epoch, counted from 1; ``correct`` the final correctness of every
    test image (base64 of ``numpy.packbits``; empty if the run diverged); ``confusion`` counts
    true x predicted classes. A number that does not exist (a diverged loss) is None.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    schema_version: int
    run_id: str
    ablation: str
    profile: str
    variant: str
    seed: int
    purpose: Literal["measure", "tune", "member"]
    status: Literal["finished", "diverged"]
    config: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    tuned: dict[str, Any]
    history: list[Row]
    correct: str
    confusion: list[list[int]] | None
    measurements: dict[str, Any]
    environment: dict[str, Any]


_ADAPTER = TypeAdapter(RunRecord)


def pack_correct(correct: np.ndarray) -> str:
    """Return per-example correctness (a boolean vector) as text."""
    return base64.b64encode(np.packbits(correct.astype(bool)).tobytes()).decode()


def unpack_correct(record: RunRecord) -> np.ndarray | None:
    """Return the per-example correctness, shape (test_images,), or None if the run diverged."""
    if not record.correct:
        return None
    packed = np.frombuffer(base64.b64decode(record.correct), np.uint8)
    return np.unpackbits(packed, count=record.data["test_images"]).astype(bool)


def was_trained(record: RunRecord) -> bool:
    """Say whether the run was trained: that of an average was not."""
    return "step_seconds" in record.measurements


def write(record: RunRecord, path: Path) -> None:
    """Write ``record`` so that ``path`` holds all of it or does not change.

    Keys keep their order and floats their last bit; what is not a finite number becomes null.
    Raises RunFailed if the disk does not take it.
    """
    files.write_text_safely(_dumps(record), path)


def read(path: Path) -> RunRecord:
    """Return the record in ``path``; BadInput in one line if it is none."""
    try:
        text = path.read_text(encoding="utf-8")
        version = json.loads(text).get("schema_version")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({files.reason(error)})") from error
    except (ValueError, AttributeError) as error:
        raise BadInput(f"{path}: is not a whole record (truncated?); delete it") from error
    if version != SCHEMA_VERSION:
        raise BadInput(
            f"{path}: has schema version {version}, this alexbench reads {SCHEMA_VERSION}"
        )
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: key '{where}': {first['msg'].lower()}") from error


def read_folder(
    folder: Path, check: Callable[[RunRecord], str | None] = lambda record: None
) -> tuple[list[RunRecord], list[str]]:
    """Return the records of ``folder`` in the order of their file names, and a line a refusal.

    Refused are files that are no records, records that ``check`` complains about, records whose
    data or configuration differ from the majority of their fellows (_consistent), and a second
    record of one variant and seed.
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
    found, odd = _consistent(found)
    found, twice = _once_a_seed(found)
    return [record for _, record in found], refusals + odd + twice


def _consistent(found: Found) -> tuple[Found, list[str]]:
    """Keep the records with the most common data and, within a variant, the most common
    configuration (tuning tries several, so its records are exempt)."""
    kept, other_data = _majority(
        found,
        group=lambda record: "all",
        value=lambda record: str(record.data.get("sha256")),
        complaint=lambda record: (
            f"used other data (sha256 {str(record.data.get('sha256'))[:12]}) than the other "
            "records of this folder; move it away"
        ),
    )
    kept, other_config = _majority(
        kept,
        group=lambda record: record.variant if record.purpose == "measure" else record.run_id,
        value=lambda record: json.dumps(differences(record.config), sort_keys=True),
        complaint=lambda record: (
            f"was trained with another configuration than the other records of variant "
            f"'{record.variant}'; move it away"
        ),
    )
    return kept, other_data + other_config


def _majority(
    found: Found,
    group: Callable[[RunRecord], str],
    value: Callable[[RunRecord], str],
    complaint: Callable[[RunRecord], str],
) -> tuple[Found, list[str]]:
    """Keep, in each group, the records with its most common value; of equals, the newest one."""
    votes: dict[str, dict[str, tuple[int, str]]] = {}
    for _, record in found:
        ballot = votes.setdefault(group(record), {})
        count, newest = ballot.get(value(record), (0, ""))
        ballot[value(record)] = count + 1, max(newest, str(record.environment.get("date", "")))
    winners = {name: max(ballot, key=lambda v: (*ballot[v], v)) for name, ballot in votes.items()}
    kept = [(path, record) for path, record in found if winners[group(record)] == value(record)]
    refusals = [
        f"{path}: {complaint(record)}"
        for path, record in found
        if winners[group(record)] != value(record)
    ]
    return kept, refusals


def _once_a_seed(found: Found) -> tuple[Found, list[str]]:
    first: dict[tuple[str, int], Path] = {}
    kept, refusals = [], []
    for path, record in found:
        earlier = first.setdefault((record.variant, record.seed), path)
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
