"""What a record of one run holds: its sections, their types and ranges. No torch here."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,  # of Python 3.12, as pydantic needs it
    cast,
)

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, NonNegativeInt
from typing_extensions import TypedDict

from alexbench.errors import shown

SCHEMA_VERSION = 1
# nats: training ends a run with a larger one as diverged; of 15,000 epochs on record the largest
# has 67, and came back from it
LARGEST_LOSS = 1e6
MOST_CLASSES_IN_CONFUSION = 100

# One line of text that is shown: names of variants, data, processors.
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Percent = Annotated[float, Field(ge=0, le=100)]
Loss = Annotated[float, Field(ge=0)]  # nats
Seconds = Annotated[float, Field(gt=0, le=1e8)]
Count = Annotated[int, Field(ge=1, le=10**9)]

# The sections are TypedDicts: a record keeps which keys it has, in the order of the file. A number
# that does not exist (a diverged loss) is None. Keys that old records lack are NotRequired;
# ``consistency`` says since when each must be there.


class ColourComponents(TypedDict):
    """The principal components of the colours: variances (3,), directions (3, 3)."""

    variances: Annotated[list[float], Field(min_length=3, max_length=3)]
    directions: Annotated[
        list[Annotated[list[float], Field(min_length=3, max_length=3)]],
        Field(min_length=3, max_length=3),
    ]


class DataSection(TypedDict):
    """The images: what they are, and their number."""

    name: Text
    source: Text
    sha256: Sha256
    sha256_of: NotRequired[Text]
    classes: Annotated[list[str], Field(min_length=1, max_length=100_000)]
    train_images: Count
    test_images: Count
    skipped: list[str]
    colour_components: NotRequired[ColourComponents]


class ModelSection(TypedDict):
    """The size of the net."""

    parameters: Annotated[int, Field(ge=1, le=10**13)]
    flops: Annotated[int, Field(ge=1, le=10**17)]  # forward, one image


class HistoryRow(TypedDict):
    """One epoch, counted from 1. Errors in percent, losses in nats.

    Further keys are ``saturated_<layer>``: the percentage of its tanh units that are saturated.
    """

    __pydantic_config__ = ConfigDict(  # type: ignore[misc]
        extra="allow", strict=True, allow_inf_nan=False
    )

    epoch: Count
    lr: Annotated[float, Field(ge=0)]
    train_loss: Loss | None
    running_train_error: Percent | None
    train_error: Percent | None
    test_loss: Loss | None
    test_error: Percent | None
    top5_error: Percent | None
    train_seconds: Seconds
    evaluate_seconds: Annotated[float, Field(ge=0, le=1e8)]  # in milliseconds: 0 of a tiny set
    images_per_second: Annotated[float, Field(gt=0, le=1e12)]
    exchanged_bytes: NotRequired[Annotated[float, Field(ge=0, le=1e15)]]


ROW_KEYS = frozenset(HistoryRow.__annotations__)


def only_saturation(row: HistoryRow) -> HistoryRow:
    """The row, if its further keys are ``saturated_<layer>`` in percent; raises ValueError."""
    for key in row.keys() - ROW_KEYS:
        value = cast(dict[str, Any], row)[key]
        percent = isinstance(value, float | int) and 0 <= value <= 100
        if not key.startswith("saturated_") or not percent or isinstance(value, bool):
            raise ValueError(f"'{shown(key)}': {shown(value)} is not known here")
    return row


class Measurements(TypedDict, total=False):
    """What was measured once a run: its times, and its final test where that averages outputs."""

    train_seconds: Seconds
    step_seconds: Seconds
    peak_memory_bytes: Annotated[int, Field(ge=1, le=2**53)]
    views: Literal["centre", "mirror", "translations", "ten_crop"]
    nets: Annotated[int, Field(ge=1, le=100)]
    test_loss: Loss | None
    test_error: Percent
    top5_error: Percent | None
    kernel_saturations: Annotated[list[Percent | None], Field(min_length=2, max_length=100_000)]


def date_of_utc(text: str) -> str:
    """The text, if it is a moment such as 2026-01-31T23:59:59+00:00; raises ValueError."""
    if not text.endswith("+00:00"):
        raise ValueError("should end with +00:00")
    datetime.fromisoformat(text)
    return text


class Environment(TypedDict):
    """Where and when the run was trained, and by which code."""

    trained_for: NotRequired[Text]  # <ablation>/<profile>, if the record is a copy
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")] | None
    dirty: bool | None  # None: not known, as in an installed package
    versions: dict[Text, Text | Annotated[int, Field(ge=1, le=10**8)] | None]
    processor: Text
    device: Text
    num_threads: Annotated[int, Field(ge=1, le=10**5)]
    precision: Annotated[str, Field(pattern=r"^(ieee|tf32|bf16)$")]
    jobs: NotRequired[Annotated[int, Field(ge=1, le=10**5)]]
    date: Annotated[str, Field(max_length=40), AfterValidator(date_of_utc)]
    # how a run used its GPU; absent for a run on a CPU
    memory_format: NotRequired[Text]
    cuda_graph: NotRequired[bool]
    cudnn_benchmark: NotRequired[bool]
    exchange: NotRequired[Text]  # gloo: several processes may have shared a GPU
    # what the GPU did meanwhile; absent where NVIDIA's library does not tell it
    clock_megahertz: NotRequired[Annotated[float, Field(gt=0, le=10**5)]]  # medians
    power_watts: NotRequired[Annotated[float, Field(ge=0, le=10**5)]]
    temperature_celsius: NotRequired[Annotated[float, Field(ge=-100, le=1000)]]
    slowed_by: NotRequired[list[Text]]


@dataclass(frozen=True)
class RunRecord:
    """One variant trained with one seed. Errors in percent, times in seconds.

    ``correct`` is the final correctness of every test image (base64 of ``numpy.packbits``; empty if
    the run diverged); ``confusion`` counts true x predicted classes. ``files``: name -> text of the
    ablation's and profile's files, where these are not shipped ones.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: Annotated[int, Field(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    run_id: Sha256
    ablation: Text
    profile: Text
    variant: Text
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    purpose: Literal["measure", "tune", "member"]
    status: Literal["finished", "diverged"]
    config: Annotated[dict[str, dict[str, Any]], Field(fail_fast=True)]
    data: DataSection
    model: ModelSection
    tuned: dict[str, Any]
    history: Annotated[
        list[Annotated[HistoryRow, AfterValidator(only_saturation)]],
        Field(min_length=1),
        Field(fail_fast=True),
    ]
    correct: str
    confusion: (
        Annotated[
            list[Annotated[list[NonNegativeInt], Field(fail_fast=True)]],
            Field(min_length=1),
            Field(fail_fast=True),
        ]
        | None
    )
    measurements: Measurements
    environment: Environment
    files: dict[Text, str] = field(default_factory=dict)


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
