"""What `show` tells: resolved settings, every knob with its meaning, and the JSON schema."""

import pytest
from jsonschema import Draft202012Validator

from alexbench.config import describe
from alexbench.config.load import find, load_ablation
from alexbench.config.schema import Config
from alexbench.config.shipped import shipped_ablations
from alexbench.config.yaml_file import known_keys, read_yaml


def test_every_setting_of_a_run_is_told_with_its_meaning():
    told = list(describe.knobs())
    assert [knob.key for knob in told] == known_keys()
    assert all(knob.description and knob.allowed for knob in told)


def test_allowed_values_are_told_in_words():
    told = {knob.key: knob.allowed for knob in describe.knobs()}
    assert told["model.lrn"] == "none, conv1, conv2, both, gain_only"
    assert told["data.train_images"] == "a whole number above 0 up to 1,000,000,000 or null"
    assert told["model.dropout"] == "a number from 0 below 1"
    assert told["train.layer_lr_factor"] == "layer -> a number from 0 up to 100,000"
    epoch, rate = "a number from 0 up to 1,000,000", f"a number from 0 up to {10**18:,}"
    assert told["train.bias_lr"] == f"a list, each a pair of two: {epoch}, and {rate}"


def test_a_variant_is_told_by_what_differs_from_the_defaults_then_by_every_setting():
    lines = list(describe.lines(load_ablation("lrn"), "conv1"))
    text = "\n".join(lines)
    assert "  model.lrn = conv1  (default: both)" in lines
    assert "  train.lr = 0.2  (default: 0.01)" in lines  # what was tuned for it
    assert "train.lr is the variant's best of [0.025, 0.05, 0.1], tuned earlier." in lines
    for knob in describe.knobs():
        assert any(line.startswith(f"{knob.key} = ") for line in lines)
        assert knob.description.split(":")[0].split()[0] in text


def test_without_a_variant_each_is_told_by_its_own_settings():
    lines = list(describe.lines(load_ablation("lrn")))
    assert "  conv2: model.lrn = conv2, train.lr = 0.05" in lines
    assert "model.lrn = (by variant)" in lines
    assert "model.name = cifar4" in lines


@pytest.mark.parametrize("name", shipped_ablations())
def test_the_json_schema_accepts_every_shipped_file(name):
    found = Draft202012Validator(describe.json_schema()).iter_errors(read_yaml(find(name)))
    assert [error.message for error in found] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"variants": {"a": {"model.lnr": "none"}}},
        {"profiles": {"laptop": {"config": {"train.epochs": "many"}}}},
        {"tittle": "LRN"},
        {"matrix": {"model.lnr": ["none"]}},
    ],
)
def test_the_json_schema_refuses_what_alexbench_refuses(wrong):
    content = {"title": "t", "question": "q", "baseline": "a", "metrics": ["test_error"]} | wrong
    assert not Draft202012Validator(describe.json_schema()).is_valid(content)


def test_the_settings_of_the_schema_are_those_of_a_run():
    properties = describe.json_schema()["$defs"][describe.SETTINGS]["properties"]
    assert list(properties) == known_keys(Config)
