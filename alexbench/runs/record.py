"""The record of one run: its configuration, history and machine, as a JSON file. No torch here."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,  # of Python 3.12, as pydantic needs it
    cast,
)

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from alexbench.config.schema import differences
from alexbench.errors import BadInput
from alexbench.runs import files

SCHEMA_VERSION = 1
MOST_CLASSES_IN_CONFUSION = 100
NAMED_RUN = re.compile(r"-seed\d+-([0-9a-f]{10})$")  # the end of Run.stem

Percent = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0)]
Found = list[tuple[Path, "RunRecord"]]

# The sections are TypedDicts: a record keeps which keys it has, in the order of the file. A number
# that does not exist (a diverged loss) is None.


class DataSection(TypedDict):
    """The images: what they are, and their number."""

    name: str
    source: str
    sha256: str
    sha256_of: NotRequired[str]
    classes: list[str]
    train_images: int
    test_images: int
    skipped: list[str]
    colour_components: NotRequired[dict[str, Any]]


class ModelSection(TypedDict):
    """The size of the net."""

    parameters: int
    flops: int  # forward, one image


class HistoryRow(TypedDict):
    """One epoch, counted from 1. Errors in percent, losses in nats.

    Further keys are ``saturated_<layer>``: the percentage of its tanh units that are saturated.
    """

    __pydantic_config__ = ConfigDict(  # type: ignore[misc]
        extra="allow", strict=True, allow_inf_nan=False
    )

    epoch: int
    lr: float
    train_loss: float | None
    running_train_error: Percent | None
    train_error: Percent | None
    test_loss: float | None
    test_error: Percent | None
    top5_error: Percent | None
    train_seconds: Seconds
    evaluate_seconds: Seconds
    images_per_second: float | None
    exchanged_bytes: NotRequired[float]


def only_saturation(row: HistoryRow) -> HistoryRow:
    """The row, if its further keys are ``saturated_<layer>`` in percent; raises ValueError."""
    for key in row.keys() - HistoryRow.__annotations__.keys():
        value = cast(dict[str, Any], row)[key]
        percent = isinstance(value, float) and 0 <= value <= 100
        if not key.startswith("saturated_") or not percent:
            raise ValueError(f"'{key}': {value!r} is not known here")
    return row


class Measurements(TypedDict, total=False):
    """What was measured once a run: its times, and its final test where that averages outputs."""

    train_seconds: Seconds
    step_seconds: Seconds
    peak_memory_bytes: int
    views: str
    nets: int
    test_loss: float | None
    test_error: Percent
    top5_error: Percent
    kernel_saturations: list[float]


class Environment(TypedDict):
    """Where and when the run was trained, and by which code."""

    trained_for: NotRequired[str]  # <ablation>/<profile>, if the record is a copy
    commit: str | None
    dirty: bool
    versions: dict[str, Any]
    processor: str
    device: str
    num_threads: int
    precision: str
    jobs: NotRequired[int]
    date: str
    # how a run used its GPU; absent for a run on a CPU
    memory_format: NotRequired[str]
    cuda_graph: NotRequired[bool]
    cudnn_benchmark: NotRequired[bool]
    exchange: NotRequired[str]  # gloo: several processes may have shared a GPU


@dataclass(frozen=True)
class RunRecord:
    """One variant trained with one seed. Errors in percent, times in seconds.

    ``correct`` is the final correctness of every test image (base64 of ``numpy.packbits``; empty if
    the run diverged); ``confusion`` counts true x predicted classes.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: int
    run_id: str
    ablation: str
    profile: str
    variant: str
    seed: int
    purpose: Literal["measure", "tune", "member"]
    status: Literal["finished", "diverged"]
    config: dict[str, Any]
    data: DataSection
    model: ModelSection
    tuned: dict[str, Any]
    history: Annotated[
        list[Annotated[HistoryRow, AfterValidator(only_saturation)]], Field(min_length=1)
    ]
    correct: str
    confusion: list[list[int]] | None
    measurements: Measurements
    environment: Environment


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
    """Whether the run was trained; a record of averaged outputs was not."""
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
        record = _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: key '{where}': {first['msg'].lower()}") from error
    named = NAMED_RUN.search(path.stem)
    if named and not record.run_id.startswith(named[1]):
        raise BadInput(f"{path}: is the record of run {record.run_id[:10]}; delete it")
    return record


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
