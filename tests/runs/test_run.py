"""Runs and their ids: what makes a run another run, and what does not."""

from dataclasses import replace
from pathlib import Path

from alexbench.config.load import load_ablation
from alexbench.config.schema import Config, TrainConfig, differences
from alexbench.runs.run import FIRST_TUNE_SEED, measured_runs, run_id, tuning_runs
from alexbench.runs.store import RunStore

IDENTITY = {"data_sha256": "abc", "device": "cpu", "num_threads": 1, "lrn": "native"}


def test_an_id_changes_with_the_configuration_the_seed_the_data_and_the_numerics():
    other = Config(train=TrainConfig(lr=0.02))
    ids = [
        run_id(Config(), 0, IDENTITY),
        run_id(other, 0, IDENTITY),
        run_id(Config(), 1, IDENTITY),
        run_id(Config(), 0, IDENTITY | {"data_sha256": "abd"}),
        run_id(Config(), 0, IDENTITY | {"num_threads": 2}),
    ]
    assert len(set(ids)) == len(ids)
    assert run_id(Config(), 0, dict(reversed(IDENTITY.items()))) == ids[0]


def test_a_key_that_says_its_default_leaves_the_id_alone():
    said = TrainConfig.model_validate({"lr": TrainConfig().lr})
    assert run_id(Config(train=said), 0, IDENTITY) == run_id(Config(), 0, IDENTITY)
    dumped = Config(train=TrainConfig(lr=0.5)).model_dump(mode="json")
    before_width_was_a_knob = dumped | {"model": {"lrn": "none"}}
    assert differences(before_width_was_a_knob) == differences(dumped) | {"model": {"lrn": "none"}}
    assert differences(dumped)["train"] == {"lr": 0.5}


def test_a_variant_that_has_part_in_no_claim_may_have_fewer_seeds_and_a_control_may_not():
    ablation = replace(load_ablation("lrn", seeds=3), other_seeds=2)
    seeds = {name: ablation.seeds_of(name) for name in ablation.variants}
    assert seeds == {"none": 3, "conv1": 2, "conv2": 2, "both": 3, "gain_only": 3}
    runs = measured_runs(ablation, lambda _: IDENTITY)
    assert [run.variant for run in runs if run.seed == 2] == ["none", "both", "gain_only"]


def test_measured_runs_go_seed_by_seed_so_that_whole_pairs_come_first():
    runs = measured_runs(load_ablation("pooling", seeds=2), lambda _: IDENTITY)
    assert [(run.variant, run.seed) for run in runs] == [
        ("non_overlapping", 0),
        ("overlapping", 0),
        ("non_overlapping", 1),
        ("overlapping", 1),
    ]


def test_tuning_runs_never_share_a_seed_with_measured_ones():
    ablation = load_ablation("pooling")
    runs = list(tuning_runs(ablation, "overlapping", "train.lr", [0.5, 0.7], lambda _: IDENTITY))
    assert [run.config.train.lr for run in runs] == [0.5, 0.7]
    assert {run.seed for run in runs} == {FIRST_TUNE_SEED}
    assert RunStore(Path()).record_path(runs[0]).parent == Path("tuning")
