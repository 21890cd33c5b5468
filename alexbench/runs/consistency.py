"""Whether the parts of a record agree: its id with its configuration, its scores with its images.

Types and ranges of single fields are in ``sections``. No torch here.
"""

import base64
import binascii
import functools
import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pydantic import ValidationError

from alexbench.config.ablation_file import MOST_NEIGHBOURS
from alexbench.config.constraints import EIGHT_LAYERS
from alexbench.config.schema import DEFAULTS, Config, differences
from alexbench.errors import shown
from alexbench.runs.files import stem_of
from alexbench.runs.run import MOST_BEYOND, NEIGHBOUR_RATIO, RECIPE_VERSION
from alexbench.runs.sections import LARGEST_LOSS, MOST_CLASSES_IN_CONFUSION, RunRecord, was_trained

NAMED_RUN = re.compile(r"-seed\d+-[0-9a-f]{10}$")  # the end of Run.stem
LRN_IMPLEMENTATIONS = ("native", "triton", "banded", "slices")  # what a run's id may name
TIMES = ("train_seconds", "step_seconds", "peak_memory_bytes")
LARGEST = 1e300  # a setting that is a number
# The first records that have these keys; earlier ones lack them.
SHA256_OF_SINCE, SATURATIONS_SINCE = "2026-11-26", "2026-11-24T16"


def contradiction(record: RunRecord, stem: str) -> str | None:
    """What two parts of a record say differently, in words; None where all agree.

    stem: the name of its file without the ending.
    """
    for check in CHECKS:
        for said in check(record):
            return said
    if NAMED_RUN.search(stem):
        named = stem_of(record.variant, record.seed, record.run_id)
        if named != stem:
            return f"is the record of run {shown(named)}; delete it"
    return None


def in_config(record: RunRecord, section: str, key: str) -> Any:
    """A setting of the run; the default where an old record has none."""
    return record.config.get(section, {}).get(key, DEFAULTS[section][key])


def settings(record: RunRecord) -> Iterator[str]:
    """Checks the settings that reports read."""
    for section in ("data", "model", "train", "evaluate"):
        if section not in record.config:
            yield f"key 'config.{section}': field required"
            return
    try:
        yield from wrong_settings(json.dumps(record.config))
    except ValueError:  # a number of thousands of digits
        yield "key 'config': is not allowed"
    train, evaluate = record.config["train"], record.config["evaluate"]
    for key in ("lr", "epochs", "target_train_error"):
        if key not in train:
            yield f"key 'config.train.{key}': field required"
            return
    target, images = train["target_train_error"], evaluate.get("train_images")
    for key, value, right in (
        ("train.lr", train["lr"], is_number(train["lr"]) and train["lr"] > 0),
        ("train.epochs", train["epochs"], is_whole(train["epochs"], 1)),
        ("train.target_train_error", target, target is None or is_percent(target)),
        ("evaluate.train_images", images, images is None or is_whole(images, 0)),
    ):
        if not right:
            yield f"key 'config.{key}': {shown(value)} is not allowed"


@functools.lru_cache(maxsize=1000)  # seeds have one configuration
def wrong_settings(config: str) -> tuple[str, ...]:
    """What is wrong with a configuration (JSON); settings of another version are allowed."""
    try:
        Config.model_validate(json.loads(config))
    except ValidationError as error:
        return tuple(
            f"key 'config.{'.'.join(map(shown, each['loc']))}': {each['msg'].lower()}"
            for each in error.errors(include_url=False, include_context=False)
            if each["type"] != "extra_forbidden"
        )
    return ()


def is_number(value: object) -> bool:
    """Whether it is a finite number."""
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return right and abs(value) < LARGEST  # type: ignore[arg-type]


def is_whole(value: object, least: int) -> bool:
    """Whether it is a whole number from ``least`` on."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= 10**9


def is_percent(value: object) -> bool:
    """Whether it is a number from 0 to 100."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def identity(record: RunRecord) -> Iterator[str]:
    """Checks that the id is the hash of the configuration, the seed, the data and the numerics."""
    try:
        known = record.run_id in possible_ids(record)
    except (TypeError, ValueError, RecursionError):
        known = False
    if not known:
        yield "its run_id is not that of its configuration, seed, data and numerics; delete it"


def possible_ids(record: RunRecord) -> Iterator[str]:
    """The ids that such a run can have, the likeliest first; ``run.run_id`` has the content."""
    on_cpu = record.environment["device"] == "cpu"
    has_lrn = in_config(record, "model", "lrn") in ("conv1", "conv2", "both")
    config = to_json(differences(record.config))
    threads = [record.environment["num_threads"] if on_cpu else None]
    placed = in_config(record, "train", "placement") != "one"
    if on_cpu and (placed or in_config(record, "train", "alone")):
        threads += range(1, 129)  # the id has those of the sweep's other runs
    tuned_on = ({}, {"tuned_on": "all images"}) if record.purpose == "tune" else ({},)
    implementations = LRN_IMPLEMENTATIONS if has_lrn else (None,)
    for num_threads, device, lrn, also in itertools.product(
        threads, possible_devices(record), implementations, tuned_on
    ):
        numerics = to_json(
            {
                "data_sha256": record.data["sha256"],
                "device": device,
                "num_threads": num_threads,
                "lrn": lrn,
                **also,
            }
        )
        for recipe in range(RECIPE_VERSION, 0, -1):
            text = (
                f'{{"config":{config},"identity":{numerics},"recipe_version":{recipe},'
                f'"seed":{record.seed}}}'
            )
            yield hashlib.sha256(text.encode()).hexdigest()


def possible_devices(record: RunRecord) -> tuple[object, ...]:
    """The device as ids have it: cpu, or the GPU with its driver and torch (formerly cuda)."""
    environment = record.environment
    if environment["device"] == "cpu":
        return ("cpu",)
    versions = environment["versions"]
    driver, torch = versions.get("driver", "unknown"), versions.get("torch")
    return ({"device": environment["device"], "driver": driver, "torch": torch}, "cuda")


def to_json(content: object) -> str:
    """JSON as ``run.run_id`` hashes it."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def tuning(record: RunRecord) -> Iterator[str]:
    """Checks that what was tuned is what was trained with; a rate may be a neighbour of it."""
    for key, value in record.tuned.items():
        section, _, field = key.partition(".")
        trained = record.config.get(section, {}).get(field)
        if key != "train.lr":
            right = trained == value
        elif is_number(value) and value > 0:
            steps = math.log(trained / value) / math.log(NEIGHBOUR_RATIO)
            most = MOST_NEIGHBOURS + MOST_BEYOND
            right = abs(steps - round(steps)) < 0.05 and abs(round(steps)) <= most
        else:
            right = False
        if not right:
            yield f"key 'tuned.{shown(key)}': {shown(value)}, but trained with {shown(trained)}"


def epochs(record: RunRecord) -> Iterator[str]:
    """Checks the rows of the history: counted, complete, and as fast as they say."""
    train, rows = record.config["train"], record.history
    early = train.get("stop_at_target") or train.get("stop_patience")
    if len(rows) > train["epochs"]:
        yield f"key 'history': {len(rows)} epochs of {train['epochs']}"
    if record.status == "finished" and len(rows) < train["epochs"] and not early:
        yield f"key 'history': {len(rows)} epochs of {train['epochs']}, and nothing ends it early"
    several = train.get("placement", "one") != "one"
    keys = rows[0].keys()
    for index, row in enumerate(rows):
        if row["epoch"] != index + 1:
            yield f"key 'history.{index}.epoch': {row['epoch']}, and it is row {index + 1}"
        if row.keys() != keys:
            yield f"key 'history.{index}': has other keys than the first row"
        if row["lr"] > 1.001 * train["lr"]:
            yield f"key 'history.{index}.lr': {row['lr']:g} is above train.lr"
        images, speed = record.data["train_images"], row["images_per_second"]
        rounding = 0.001 * speed + 0.1 * row["train_seconds"]
        if abs(speed * row["train_seconds"] - images) > 0.01 * images + rounding:
            yield f"key 'history.{index}.images_per_second': not that of {images} images"
    if several != ("exchanged_bytes" in keys):
        yield "key 'history.0.exchanged_bytes': belongs to runs on several devices, and to all"
    if "saturated_" in str(keys) and not in_config(record, "evaluate", "saturation_images"):
        yield "key 'history.0': has saturation that was not asked for"


def complete(record: RunRecord) -> Iterator[str]:
    """Checks that a run that did not diverge has every number of its epochs."""
    no_clean_pass = record.config["evaluate"].get("train_images") == 0
    few = len(record.data["classes"]) <= 5
    for index, row in enumerate(record.history):
        numbers: dict[str, float | None] = {
            "train_loss": row["train_loss"],
            "running_train_error": row["running_train_error"],
            "test_loss": row["test_loss"],
            "test_error": row["test_error"],
        }
        if not no_clean_pass:
            numbers["train_error"] = row["train_error"]
        if not few:
            numbers["top5_error"] = row["top5_error"]
        if record.status == "finished" or index < len(record.history) - 1:
            for key, number in numbers.items():
                if number is None:
                    yield f"key 'history.{index}.{key}': null, and the run did not diverge"
                elif key.endswith("loss") and number > LARGEST_LOSS:
                    yield f"key 'history.{index}.{key}': {number:g}, and the run did not diverge"
        if (row["top5_error"] or 0) > (100 if row["test_error"] is None else row["test_error"]):
            yield f"key 'history.{index}.top5_error': is above the test_error"
    if in_config(record, "evaluate", "saturation_images"):
        tanh = in_config(record, "model", "activation") != "relu"
        if tanh != any(key.startswith("saturated_") for key in record.history[0]):
            yield "key 'history.0': lacks the saturation that was asked for"


def scores(record: RunRecord) -> Iterator[str]:
    """Checks the correctness of the test images, the confusion and the final error."""
    if record.status == "diverged":
        if record.correct or record.confusion is not None:
            yield "key 'correct': a run that diverged has no final scores"
        return
    images, classes = record.data["test_images"], len(record.data["classes"])
    try:
        packed = base64.b64decode(record.correct, validate=True)
    except (ValueError, binascii.Error):
        yield "key 'correct': is not base64"
        return
    if len(packed) != -(-images // 8):
        yield f"key 'correct': has {len(packed)} bytes, which is not {images} test images"
        return
    right = int(np.unpackbits(np.frombuffer(packed, np.uint8), count=images).sum())
    last = record.history[-1]["test_error"]
    error = record.measurements.get("test_error", last)
    if error is None or abs(error * images / 100 - (images - right)) > 0.51:
        yield f"key 'correct': {images - right} of {images} wrong is not the test_error"
    counts = record.confusion
    if (counts is None) != (classes > MOST_CLASSES_IN_CONFUSION):
        yield f"key 'confusion': {classes} classes have {'none' if counts else 'one'}"
    if counts is None:
        return
    if len(counts) != classes or any(len(row) != classes for row in counts):
        yield f"key 'confusion': is not {classes} x {classes}"
    elif sum(map(sum, counts)) != images:
        yield f"key 'confusion': does not count {images} test images"
    elif sum(counts[each][each] for each in range(classes)) != right:
        yield "key 'confusion': has another number of right images than 'correct'"


def measured(record: RunRecord) -> Iterator[str]:
    """Checks the measurements: the times of a trained run, the scores of an average."""
    found, rows = record.measurements, record.history
    average = "nets" in found
    if average == was_trained(record) and not (record.status == "diverged" and not found):
        yield "key 'measurements': times of training or a number of nets, and not both"
    for key in () if not was_trained(record) else TIMES:
        if key not in found:
            yield f"key 'measurements.{key}': field required"
            return
    if was_trained(record):
        seconds = math.fsum(row["train_seconds"] for row in rows)
        if abs(found["train_seconds"] - seconds) > 0.001 * seconds:
            yield "key 'measurements.train_seconds': is not the sum over the epochs"
        if found["step_seconds"] > 1.001 * max(row["train_seconds"] for row in rows):
            yield "key 'measurements.step_seconds': is longer than an epoch"
    views = in_config(record, "evaluate", "views")
    tested = record.status == "finished" and (average or views != "centre")
    for key in ("views", "test_loss", "test_error", "top5_error"):
        if tested != (key in found):
            yield f"key 'measurements.{key}': {'field required' if tested else 'not of this test'}"
            return
    if tested and found["views"] != views:
        yield f"key 'measurements.views': {shown(found['views'])}, but the run has {shown(views)}"
    loss = found.get("test_loss", 0.0)
    if tested and (loss is None or loss > LARGEST_LOSS):
        yield f"key 'measurements.test_loss': {shown(loss)}, and the run did not diverge"
    if tested and found["top5_error"] is None and len(record.data["classes"]) > 5:
        yield "key 'measurements.top5_error': null, and the run did not diverge"
    if average and found["nets"] != in_config(record, "evaluate", "nets"):
        yield "key 'measurements.nets': another number in the configuration"
    kernels = found.get("kernel_saturations", [])
    if len(kernels) % 2:
        yield "key 'measurements.kernel_saturations': two columns have an even number of kernels"
    if None in kernels and record.status == "finished":
        yield "key 'measurements.kernel_saturations': null, and the run did not diverge"


def later_keys(record: RunRecord) -> Iterator[str]:
    """Checks the keys that only old records lack."""
    date, data = record.environment["date"], record.data
    for package in ("alexbench", "torch"):
        if not isinstance(record.environment["versions"].get(package), str):
            yield f"key 'environment.versions.{package}': field required"
    noise = in_config(record, "augment", "pca_colour") != "none"
    if noise != ("colour_components" in data):
        yield "key 'data.colour_components': belongs to runs with colour noise, and to all"
    if "sha256_of" not in data and date >= SHA256_OF_SINCE:
        yield "key 'data.sha256_of': field required"
    columns = (
        in_config(record, "model", "name") in EIGHT_LAYERS
        and in_config(record, "model", "columns") != "one_column"
    )
    has = "kernel_saturations" in record.measurements
    if columns and was_trained(record) and not has and date >= SATURATIONS_SINCE:
        yield "key 'measurements.kernel_saturations': field required"
    if has and not columns:
        yield "key 'measurements.kernel_saturations': not of this net"


CHECKS: tuple[Callable[[RunRecord], Iterator[str]], ...] = (
    settings,
    tuning,
    epochs,
    complete,
    scores,
    measured,
    later_keys,
    identity,
)
