"""Records made by hand for the tests of what comes after training; no torch anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from alexbench.config.ablation_file import ClaimUse
from alexbench.config.schema import Config
from alexbench.runs import record
from alexbench.runs.consistency import possible_ids
from alexbench.runs.record import (
    MOST_CLASSES_IN_CONFUSION,
    SCHEMA_VERSION,
    RunRecord,
    pack_correct,
    unpack_correct,
)
from alexbench.runs.run import Run

GLYPHS = {
    "name": "glyphs",
    "source": "embedded",
    "sha256": "ab" * 32,
    "classes": [chr(65 + i) for i in range(26)],
    "train_images": 1000,
    "test_images": 500,
    "skipped": [],
}
CIFAR10 = GLYPHS | {
    "name": "cifar10",
    "classes": [f"class {i}" for i in range(10)],
    "train_images": 50_000,
    "test_images": 10_000,
}
MACHINE = {
    "commit": "0" * 40,
    "dirty": False,
    "versions": {"torch": "2.14.1", "alexbench": "0.1.0"},
    "processor": "a processor",
    "device": "cpu",
    "num_threads": 1,
    "precision": "ieee",
    "jobs": 1,
    "date": "2026-01-01T00:00:00+00:00",
}


@dataclass(frozen=True)
class Question:
    """What the report needs of an ablation: config.Ablation has these and more."""

    name: str = "lrn"
    file: str = "ablations/lrn.yaml"
    title: str = "Local response normalization"
    question: str = "Does local response normalization lower the test error?"
    profile: str = "laptop"
    regime: str = "modern"
    baseline: str = "none"
    metrics: tuple[str, ...] = ("test_error",)
    variants: dict[str, Any] = field(default_factory=lambda: {"none": {}, "both": {}})
    claims: dict[str, tuple[ClaimUse, ...]] = field(default_factory=dict)
    tune: Any = None
    tune_reason: str | None = None
    tune_seeds: int = 1
    limits: dict[str, int] = field(default_factory=dict)
    tune_neighbours: int = 0
    finding: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def finding_for(self, folder: str) -> str | None:
        return self.finding if folder == self.profile else None

    def most_seeds(self, variant: str) -> int | None:
        return self.limits.get(variant)


def use(
    variant: str,
    baseline: str | None = None,
    metric: str | None = None,
    control: str | None = None,
) -> ClaimUse:
    return ClaimUse(variant=variant, baseline=baseline, metric=metric, control=control)


def make(
    variant: str = "none",
    seed: int = 0,
    test_errors: Sequence[float | None] = (60.0, 40.0, 30.0),
    train_errors: Sequence[float | None] | None = None,
    *,
    status: str = "finished",
    data: dict[str, Any] = GLYPHS,
    epochs: int | None = None,
    target: float | None = None,
    seconds: float = 2.0,
    lr: float = 0.01,
    correct: np.ndarray | None = None,
    **others: Any,
) -> RunRecord:
    """A record whose errors after each epoch are given; every epoch takes ``seconds``."""
    train_errors = test_errors if train_errors is None else train_errors
    history = [
        {
            "epoch": epoch,
            "lr": lr,
            "train_loss": 1.5,
            "running_train_error": train,
            "train_error": train,
            "test_loss": 1.25,
            "test_error": test,
            "top5_error": None if test is None else test / 4,
            "train_seconds": seconds,
            "evaluate_seconds": 0.5,
            "images_per_second": data["train_images"] / seconds,
        }
        for epoch, (test, train) in enumerate(zip(test_errors, train_errors, strict=True), 1)
    ]
    last = test_errors[-1] if test_errors else None
    if correct is None and status == "finished":
        correct = np.arange(data["test_images"]) >= round(data["test_images"] * (last or 0) / 100)
    values = {
        "schema_version": SCHEMA_VERSION,
        "run_id": "",
        "ablation": "lrn",
        "profile": "laptop",
        "variant": variant,
        "seed": seed,
        "purpose": "measure",
        "status": status,
        "config": {
            "data": {"name": data["name"]},
            "augment": {"pca_colour": "none"},
            "model": {"lrn": "none", "bias_init": float(crc32(variant.encode()) % 10**5)},
            "train": {"epochs": epochs or len(history), "lr": lr, "target_train_error": target},
            "evaluate": {"train_images": None},
        },
        "data": data,
        "model": {"parameters": 1000, "flops": 2000},
        "tuned": {},
        "history": history,
        "correct": "" if correct is None else pack_correct(correct),
        "confusion": None,
        "measurements": {
            "train_seconds": seconds * len(history),
            "step_seconds": seconds / 8,
            "peak_memory_bytes": 2**28,
        },
        "environment": MACHINE,
    }
    made = RunRecord(**(values | others))
    return made if made.run_id else whole(made)


def whole(record: RunRecord) -> RunRecord:
    """The record with the id and the confusion that its other parts ask for."""
    counts, correct = record.confusion, unpack_correct(record)
    classes, images = len(record.data["classes"]), record.data["test_images"]
    fits = counts is not None and len(counts) == classes and sum(map(sum, counts)) == images
    if correct is not None and classes <= MOST_CLASSES_IN_CONFUSION and not fits:
        counts = np.zeros((classes, classes), int).tolist()
        counts[0][0], counts[0][-1] = int(correct.sum()), int((~correct).sum())
    return replace(record, run_id=next(possible_ids(record)), confusion=counts)


def arms(
    baseline: Sequence[float],
    variant: Sequence[float],
    *,
    names: tuple[str, str] = ("none", "both"),
) -> list[RunRecord]:
    """Records of two arms with those final test errors, a seed each."""
    return [
        make(name, seed, (80.0, error))
        for name, errors in zip(names, (baseline, variant), strict=True)
        for seed, error in enumerate(errors)
    ]


LRN = Question(claims={"lrn": (use("both", metric="test_error"),)})
NOISE = (-0.3, -0.1, 0.0, 0.1, 0.3, 0.0)


def with_delta(delta: float, noise: float = 1.0) -> list[RunRecord]:
    """Six pairs whose test errors differ by ``delta`` on average."""
    base = [30.0, 31.0, 29.0, 30.5, 29.5, 30.0]
    return arms(base, [b + delta + noise * n for b, n in zip(base, NOISE, strict=True)])


def write_records(records: list[RunRecord], folder: Path) -> Path:
    for each in records:
        path = folder / "runs" / f"{each.variant}-{each.seed}.json"
        record.write(whole(each), path)
    return folder


def identity(config: Config) -> dict[str, object]:
    """What decides a run's result besides its configuration, as the records made here have it."""
    has_lrn = config.model.lrn in ("conv1", "conv2", "both")
    return {
        "data_sha256": GLYPHS["sha256"],
        "device": "cpu",
        "num_threads": 1,
        "lrn": "native" if has_lrn else None,
    }


def of_run(run: Run, test_errors: Sequence[float] | None = None, **others: Any) -> RunRecord:
    """A record of a planned run, with its configuration; as ``make``, an error each epoch."""
    config = run.config.model_dump(mode="json")
    data = others.pop("data", GLYPHS)
    if run.config.augment.pca_colour != "none":
        ones = [1.0] * 3
        data = data | {"colour_components": {"variances": ones, "directions": [ones] * 3}}
    made = make(
        run.variant,
        run.seed,
        test_errors or [40.0] * run.config.train.epochs,
        data=data,
        lr=run.config.train.lr,
        purpose=run.purpose,
        config=config,
        tuned=run.tuned,
        **others,
    )
    return replace(made, run_id=run.run_id) if run.run_id in possible_ids(made) else made
