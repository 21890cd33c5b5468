"""A record on disk is whole or absent, and whatever else lies there is named and left out."""

import dataclasses
import json
import math
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexbench.config.paths import PACKAGE
from alexbench.errors import BadInput, RunFailed
from alexbench.runs import record
from alexbench.runs.store import KINDS
from tests.records import CIFAR10, GLYPHS, MACHINE, make, whole


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    written = make(test_errors=(100 / 3, 0.1 + 0.2), lr=0.1 + 0.2, tuned={"train.lr": 0.1 + 0.2})
    record.write(written, tmp_path / "runs" / "a.json")
    assert record.read(tmp_path / "runs" / "a.json") == written


def test_writing_leaves_nothing_but_the_record(tmp_path: Path) -> None:
    for _ in range(2):
        record.write(make(), tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_same_record_is_the_same_bytes(tmp_path: Path) -> None:
    record.write(make(), tmp_path / "a.json")
    record.write(record.read(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_history_has_a_line_an_epoch_so_that_records_can_be_grepped(tmp_path: Path) -> None:
    record.write(make(test_errors=(60.0, 50.0, 40.0)), tmp_path / "a.json")
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert sum('"epoch":' in line for line in lines) == 3


def test_a_loss_that_is_no_number_becomes_null(tmp_path: Path) -> None:
    diverged = make(status="diverged")
    diverged.history[-1]["train_loss"] = math.nan
    record.write(diverged, tmp_path / "a.json")
    assert record.read(tmp_path / "a.json").history[-1]["train_loss"] is None
    json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)


def test_correctness_survives_packing_at_any_number_of_images() -> None:
    for images in (1, 7, 8, 9, 500):
        correct = np.random.default_rng(images).random(images) < 0.5
        packed = make(correct=correct, data=CIFAR10 | {"test_images": images})
        unpacked = record.unpack_correct(packed)
        assert unpacked is not None
        assert (unpacked == correct).all()


def test_a_diverged_run_has_no_correctness() -> None:
    assert record.unpack_correct(make(status="diverged")) is None


def test_a_disk_that_takes_nothing_is_one_line_and_leaves_the_old_record(tmp_path: Path) -> None:
    record.write(make(seed=1), tmp_path / "a.json")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (100, before[1])
    )  # no file of more bytes, even root's
    try:
        with pytest.raises(RunFailed, match=r"a\.json: cannot be written \(File too large\)"):
            record.write(make(seed=2), tmp_path / "a.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert record.read(tmp_path / "a.json").seed == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def damage(path: Path, how: str) -> None:
    """Write a record to ``path`` and break it."""
    record.write(make(), path)
    content = json.loads(path.read_text())
    if how == "truncated":
        path.write_text(path.read_text()[:300])
    elif how == "not JSON of a record":
        path.write_text("[1, 2]")
    elif how == "other bytes":
        path.write_bytes(b"\xff\xfe\x00")
    elif how == "schema version":
        path.write_text(json.dumps(content | {"schema_version": 99}))
    elif how == "missing field":
        del content["history"]
        path.write_text(json.dumps(content))
    elif how == "unknown field":
        path.write_text(json.dumps(content | {"surprise": 1}))
    elif how == "wrong type":
        path.write_text(json.dumps(content | {"seed": "zero"}))
    elif how == "a section with an unknown key":
        path.write_text(json.dumps(content | {"model": content["model"] | {"layers": 8}}))
    elif how == "a section without a key":
        path.write_text(json.dumps(content | {"model": {"flops": 1}}))
    elif how == "no history":
        path.write_text(json.dumps(content | {"history": []}))
    else:
        content["history"][1] |= json.loads(how)
        path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "is not a whole record"),
        ("not JSON of a record", "is not a whole record"),
        ("other bytes", "cannot be read"),
        ("schema version", "has schema version 99, this alexbench reads 1"),
        ("missing field", "key 'history': field required"),
        ("unknown field", "key 'surprise'"),
        ("wrong type", "key 'seed'"),
        ("a section with an unknown key", "key 'model.layers': extra inputs are not permitted"),
        ("a section without a key", "key 'model.parameters': field required"),
        ("no history", "key 'history': list should have at least 1 item"),
        ('{"test_error": 100.5}', "key 'history.1.test_error': input should be less than or equal"),
        ('{"train_error": -1}', "key 'history.1.train_error': input should be greater than or"),
        ('{"train_seconds": -1}', "key 'history.1.train_seconds': input should be greater than"),
        ('{"train_seconds": Infinity}', "key 'history.1.train_seconds': input should be a finite"),
    ],
)
def test_what_is_no_record_is_refused_in_one_line_and_the_rest_is_read(
    tmp_path: Path, how: str, message: str
) -> None:
    damage(tmp_path / "bad.json", how)
    record.write(make(seed=7), tmp_path / "good.json")
    records, refusals = record.read_folder(tmp_path)
    assert [found.seed for found in records] == [7]
    assert len(refusals) == 1
    assert refusals[0].startswith(f"{tmp_path / 'bad.json'}: ")
    assert message in refusals[0]
    assert "\n" not in refusals[0]


def test_a_file_whose_name_says_another_run_is_refused(tmp_path: Path) -> None:
    first, second = make(seed=0), make(seed=1)
    path = tmp_path / f"none-seed0-{first.run_id[:10]}.json"
    record.write(first, path)
    assert record.read(path) == first
    record.write(second, path)
    named = f"none-seed1-{second.run_id[:10]}"
    with pytest.raises(BadInput, match=rf"\.json: is the record of run {named}; delete it"):
        record.read(path)


def test_a_missing_file_is_bad_input_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.json: cannot be read \(No such file"):
        record.read(tmp_path / "gone.json")


def write_dated(path: Path, date: str, variant: str, seed: int, **others: Any) -> None:
    record.write(
        make(variant, seed, environment=MACHINE | {"date": f"{date}T00:00:00+00:00"}, **others),
        path,
    )


@pytest.mark.parametrize(("date", "kept"), [("2026-01-01", [0, 1]), ("2026-03-01", [2])])
def test_the_data_of_the_newest_record_win_whatever_its_name(
    tmp_path: Path, date: str, kept: list[int]
) -> None:
    other = GLYPHS | {"sha256": "cd" * 32}
    for seed in range(2):
        write_dated(tmp_path / f"{seed}.json", "2026-02-01", "none", seed)
    write_dated(tmp_path / "2.json", date, "none", 2, data=other)
    records, refusals = record.read_folder(tmp_path)
    assert [found.seed for found in records] == kept
    refused = {0: "abababababab", 1: "abababababab", 2: "cdcdcdcdcdcd"}
    assert refusals == [
        f"{tmp_path / f'{seed}.json'}: used other data (sha256 {sha256}) than the newest record of "
        "this folder; move it away"
        for seed, sha256 in refused.items()
        if seed not in kept
    ]


@pytest.mark.parametrize(("date", "kept"), [("2026-01-01", [0, 1]), ("2026-03-01", [2])])
@pytest.mark.parametrize("lr", [0.001, 0.5])
def test_the_configuration_of_the_newest_record_wins_within_its_variant(
    tmp_path: Path, date: str, kept: list[int], lr: float
) -> None:
    for seed in range(2):
        write_dated(tmp_path / f"{seed}.json", "2026-02-01", "both", seed)
    write_dated(tmp_path / "2.json", date, "both", 2, lr=lr)
    write_dated(tmp_path / "other variant.json", "2026-04-01", "none", 0, lr=0.7)
    records, refusals = record.read_folder(tmp_path)
    assert [found.seed for found in records if found.variant == "both"] == kept
    assert [found.seed for found in records if found.variant == "none"] == [0]
    assert refusals == [
        f"{tmp_path / f'{seed}.json'}: was trained with another configuration than the newest "
        "record of variant 'both'; move it away"
        for seed in range(3)
        if seed not in kept
    ]


def test_a_record_of_other_data_has_no_say_in_the_configuration(tmp_path: Path) -> None:
    other = GLYPHS | {"sha256": "cd" * 32}
    write_dated(tmp_path / "0.json", "2026-02-01", "both", 0)
    write_dated(tmp_path / "1.json", "2026-03-01", "both", 1, data=other, lr=0.5)
    write_dated(tmp_path / "2.json", "2026-04-01", "none", 0)
    records, refusals = record.read_folder(tmp_path)
    assert [(found.variant, found.seed) for found in records] == [("both", 0), ("none", 0)]
    assert len(refusals) == 1


def test_tuning_records_may_differ_in_what_they_tried(tmp_path: Path) -> None:
    for index, lr in enumerate((0.1, 0.2, 0.3)):
        tried = make(seed=1000, lr=lr, purpose="tune")
        record.write(tried, tmp_path / f"{index}.json")
    records, refusals = record.read_folder(tmp_path)
    assert len(records) == 3
    assert refusals == []


def test_every_committed_record_is_read_and_written_again_to_the_byte(tmp_path: Path) -> None:
    results = PACKAGE.parent / "results"
    paths = [p for p in results.glob("*/*/*/*.json") if p.parent.name in KINDS.values()]
    assert len(paths) > 700
    for path in paths:
        assert record._dumps(record.read(path)) == path.read_text(encoding="utf-8"), path


def test_a_second_record_of_one_seed_is_refused(tmp_path: Path) -> None:
    record.write(make(seed=0), tmp_path / "a.json")
    two_threads = MACHINE | {"num_threads": 2}
    record.write(make(seed=0, environment=two_threads), tmp_path / "b.json")
    records, refusals = record.read_folder(tmp_path)
    assert [found.run_id for found in records] == [make(seed=0).run_id]
    assert "b.json: variant 'none', seed 0 is already told by a.json" in refusals[0]


def test_a_caller_may_refuse_records_for_reasons_of_its_own(tmp_path: Path) -> None:
    for seed in range(2):
        record.write(make(seed=seed), tmp_path / f"{seed}.json")
    records, refusals = record.read_folder(tmp_path, lambda r: "too even" if r.seed == 0 else None)
    assert [found.seed for found in records] == [1]
    assert refusals == [f"{tmp_path / '0.json'}: too even"]


def test_two_thousand_records_are_read_in_well_under_twenty_seconds(tmp_path: Path) -> None:
    typical = make(
        test_errors=np.linspace(80, 20, 20).tolist(),
        data=CIFAR10,
    )
    for seed in range(200):
        path = tmp_path / f"{seed}.json"
        path.write_text(record._dumps(whole(dataclasses.replace(typical, seed=seed))))
    began = time.process_time()  # others may be busy
    records, _ = record.read_folder(tmp_path)
    assert len(records) == 200
    assert time.process_time() - began < 2.0  # 20 s for 2,000
