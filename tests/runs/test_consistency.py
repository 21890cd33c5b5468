"""A record whose parts do not agree, or with one field damaged, is never used."""

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexbench.config.paths import shipped_folder
from alexbench.errors import BadInput
from alexbench.kernels import lrn
from alexbench.runs import consistency, record
from tests.records import CIFAR10, make

HUGE = [1e308, 10**30, 10**400, "x" * 100_000]
WRONG = [None, "x", "", -1, -1.5, True, [], {}, [None], {"a": 1}, "\x1b[31m", "a\nb"]
# What an old record may lack, and what no other part of a record says anything of.
MAY_LACK = {"sha256_of", "trained_for", "jobs", "kernel_saturations", "train.lr"}


def committed(pattern: str) -> Path:
    root = shipped_folder("results").parent
    return min(root.glob(pattern if "*" in pattern else f"{pattern}/*.json"))


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(content, dict):
        for key in content:
            yield from places(content[key], (*path, key))
    elif isinstance(content, list) and content:
        for index in {0, len(content) - 1}:
            yield from places(content[index], (*path, index))


def test_every_field_missing_null_of_another_type_or_huge_is_refused(tmp_path: Path) -> None:
    used = []
    for pattern in ("results/lrn/laptop/runs", "results/ensemble/laptop/runs/three-*"):
        source = committed(pattern)
        content = json.loads(source.read_text())
        path = tmp_path / source.name
        for place in places(content):
            for value in ("missing", *WRONG, *HUGE):
                damaged = copy.deepcopy(content)
                inside = damaged
                for key in place[:-1]:
                    inside = inside[key]
                if inside[place[-1]] == value and type(inside[place[-1]]) is type(value):
                    continue
                if value == "missing":
                    del inside[place[-1]]
                else:
                    inside[place[-1]] = value
                path.write_text(json.dumps(damaged))
                said = refusal(path)
                assert said.isprintable()
                assert len(said) < 600
                if not said:
                    used.append((place, str(value)[:20]))
    assert [each for each in used if not harmless(*each)] == []


def refusal(path: Path) -> str:
    """Why the file is no record; nothing where it is one."""
    try:
        record.read(path)
    except BadInput as error:
        return str(error)
    return ""


def harmless(place: tuple[Any, ...], value: str) -> bool:
    """A change that leaves a record which may be true: a setting of the default that an old record
    lacks, an epoch that took no time to evaluate, a text that is another text."""
    settings = place[0] == "config" and value == "missing"
    text = place[:2] in {
        ("data", "name"),
        ("data", "source"),
        ("environment", "processor"),
        ("data", "sha256_of"),
    } or place[:2] == ("environment", "versions")
    names = place[:2] in {("data", "classes"), ("data", "skipped")} and len(place) > 2
    known = {("ablation",), ("profile",), ("environment", "dirty"), ("environment", "commit")}
    return (
        settings
        or (text and value in {"x", "missing", "None", "-1", "True"})
        or (names and value not in {"missing", "None", "-1"})
        or (place in known and value in {"x", "None", "True", "-1"})
        or (place[-1] in MAY_LACK and value in {"missing", "True"})
        or (place == ("tuned",) and value == "{}")
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"run_id": "0" * 64},
        {"status": "diverged"},
        {"correct": ""},
        {"correct": "abcde"},
        {"confusion": None},
        {"confusion": [[1, 2], [3]]},
        {"confusion": [[500]]},
        {"history": make(test_errors=(60.0, 40.0)).history},
        {"tuned": {"train.lr": 5.0}},
        {"tuned": {"train.epochs": "x"}},
        {"measurements": {}},
        {"measurements": {"train_seconds": 6.0, "step_seconds": 7.0, "peak_memory_bytes": 1}},
        {"measurements": {"train_seconds": 60.0, "step_seconds": 0.1, "peak_memory_bytes": 1}},
        {"data": make().data | {"test_images": 501}},
        {"data": make().data | {"train_images": 5000}},
        {"data": make().data | {"classes": ["a"]}},
        {"config": {"train": {}}},
    ],
    ids=str,
)
def test_a_record_whose_parts_disagree_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    record.write(make(), tmp_path / "a.json")
    assert record.read(tmp_path / "a.json") == make()
    record.write(dataclasses.replace(make(), **change), tmp_path / "a.json")
    with pytest.raises(BadInput, match=r"a\.json: "):
        record.read(tmp_path / "a.json")


@pytest.mark.parametrize(("steps", "right"), [(-5, True), (5, True), (6, False), (0.5, False)])
def test_a_measured_rate_is_up_to_five_steps_of_sqrt_two_from_the_tuned_one(
    steps: float, right: bool
) -> None:
    """Three neighbours on either side, and two beyond them."""
    tuned = float(f"{0.01 * 2 ** (steps / 2):.3g}")
    assert (not list(consistency.tuning(make(tuned={"train.lr": tuned})))) == right


def test_a_run_that_diverged_may_lack_numbers_in_its_last_epoch_alone(tmp_path: Path) -> None:
    diverged = make(status="diverged")
    diverged.history[-1] |= {"train_loss": None, "test_loss": None}
    record.write(diverged, tmp_path / "a.json")
    assert record.read(tmp_path / "a.json").status == "diverged"
    for broken in (make(), make(status="diverged")):
        broken.history[0]["train_loss"] = None
        record.write(broken, tmp_path / "a.json")
        with pytest.raises(BadInput, match=r"history\.0\.train_loss': null"):
            record.read(tmp_path / "a.json")


def test_a_record_that_is_no_json_is_refused_without_a_traceback(tmp_path: Path) -> None:
    for content in (b"[" * 100_000, b'{"a":' * 100_000, b"", b"null", b"1", b'"x"', b"\xff\x00"):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(BadInput, match=r"a\.json: "):
            record.read(tmp_path / "a.json")


def test_the_implementations_of_lrn_are_those_that_an_id_may_name() -> None:
    assert set(consistency.LRN_IMPLEMENTATIONS) <= set(lrn.IMPLEMENTATIONS)
    for device in ("cpu", "cuda"):
        assert lrn.resolve(device) in consistency.LRN_IMPLEMENTATIONS


def test_a_test_set_of_any_size_is_counted(tmp_path: Path) -> None:
    for images in (1, 8, 9, 500):
        correct = np.arange(images) < images // 2
        error = 100 * (images - images // 2) / images
        odd = make(test_errors=(error,), correct=correct, data=CIFAR10 | {"test_images": images})
        record.write(odd, tmp_path / "a.json")
        assert record.read(tmp_path / "a.json") == odd
