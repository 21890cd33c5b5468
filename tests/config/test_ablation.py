"""From YAML to an ablation: layers, names, and one line for everything that can be wrong."""

from pathlib import Path

import pytest

from alexbench.config.ablation import with_tuned
from alexbench.config.load import load_ablation
from alexbench.config.schema import Config
from alexbench.config.shipped import PROFILES, shipped_ablations
from alexbench.errors import BadInput

LRN = """
title: Local response normalization
question: Does it help?
claims: {lrn: both}
baseline: none
metrics: [test_error]
variants:
  none: {model.lrn: none}
  both: {model.lrn: both}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def refusal(folder: Path, text: str, **options: object) -> str:
    """The one line that loading such a file answers."""
    with pytest.raises(BadInput) as caught:
        load_ablation(write(folder, text), **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/mine.yaml: ")


def test_the_defaults_are_the_papers_own_settings():
    defaults = Config()
    assert (defaults.train.batch_size, defaults.train.lr, defaults.train.momentum) == (
        128,
        0.01,
        0.9,
    )
    assert (defaults.train.weight_decay, defaults.train.epochs) == (5e-4, 90)
    model = defaults.model
    assert (model.lrn_size, model.lrn_alpha, model.lrn_beta, model.lrn_k) == (5, 1e-4, 0.75, 2.0)
    assert (model.dropout, model.bias_init, defaults.augment.crop_size) == (0.5, 1.0, 224)


def test_as_run_fills_in_what_the_authors_ran_where_nothing_else_is_said():
    as_run = Config.model_validate({"model": {"form": "as_run", "lrn_order": "after_relu"}})
    assert as_run.model.init == "as_run"
    assert as_run.model.lrn_alpha_reading == "as_run"
    assert as_run.model.within_map_norm
    assert as_run.model.lrn_order == "after_relu"


def test_later_layers_win_profile_then_config_then_own_profile_then_variant_then_set(tmp_path):
    text = LRN + "config: {train.epochs: 3, train.lr: 0.1, train.momentum: 0.5}\n"
    text += "profiles: {laptop: {config: {train.lr: 0.2, train.momentum: 0.6}}}\n"
    text = text.replace("{model.lrn: both}", "{model.lrn: both, train.momentum: 0.7}")
    loaded = load_ablation(write(tmp_path, text), settings=["train.batch_size=7"])
    none, both = loaded.variants["none"].train, loaded.variants["both"].train
    assert (none.epochs, none.lr, none.momentum, none.batch_size) == (3, 0.2, 0.6, 7)
    assert (both.momentum, both.batch_size) == (0.7, 7)


def test_a_matrix_is_the_product_of_its_factors(tmp_path):
    text = LRN.replace("variants:", "matrix:").replace("baseline: none", "baseline: tanh-fan_in")
    text = text.replace("  none: {model.lrn: none}", "  model.activation: [relu, tanh]")
    text = text.replace("  both: {model.lrn: both}", "  model.init: [paper, fan_in]")
    text = text.replace("claims: {lrn: both}", "")
    loaded = load_ablation(write(tmp_path, text))
    assert list(loaded.variants) == ["relu-paper", "relu-fan_in", "tanh-paper", "tanh-fan_in"]
    assert loaded.variants["tanh-fan_in"].model.activation == "tanh"


def test_a_claim_names_its_arm_and_takes_the_ablations_baseline_unless_it_says_another(tmp_path):
    text = LRN.replace("{lrn: both}", "{lrn: both, lrn_cifar: [{variant: none, baseline: both}]}")
    loaded = load_ablation(write(tmp_path, text))
    (lrn,), (other,) = loaded.claims["lrn"], loaded.claims["lrn_cifar"]
    assert (lrn.variant, lrn.baseline) == ("both", "none")
    assert (other.variant, other.baseline) == ("none", "both")


def test_a_number_written_with_an_exponent_is_a_number(tmp_path):
    loaded = load_ablation(write(tmp_path, LRN + "config: {train.lr: 1e-2}\n"))
    assert loaded.variants["none"].train.lr == 0.01


def test_a_key_that_set_fixes_is_not_tuned(tmp_path):
    path = write(tmp_path, LRN + "tune: {train.lr: [0.1, 0.2]}\n")
    assert load_ablation(path).tune == {"train.lr": [0.1, 0.2]}
    fixed = load_ablation(path, settings=["train.lr=0.1"])
    assert (fixed.tune, fixed.tune_reason) == (None, "--set fixes it")


def test_a_rate_that_set_fixes_is_the_only_one(tmp_path):
    path = write(tmp_path, LRN + "tune: {train.lr: [0.1, 0.2]}\ntune_neighbours: 1\n")
    assert load_ablation(path).tune_neighbours == 1
    fixed = load_ablation(path, settings=["train.lr=0.012345"])
    assert (fixed.tune_neighbours, fixed.variants["none"].train.lr) == (0, 0.012345)
    assert load_ablation(path, settings=["train.momentum=0.5"]).tune_neighbours == 1


@pytest.mark.parametrize(
    ("file", "name"),
    [("k1.5.yaml", "k1.5"), ("k1.yml", "k1"), ("k1.5", "k1.5"), ("k.txt", "k.txt")],
)
def test_an_ablation_has_the_name_of_its_file_without_the_ending_of_yaml(tmp_path, file, name):
    (tmp_path / file).write_text(LRN)
    loaded = load_ablation(str(tmp_path / file))
    assert loaded.name == name
    assert list(loaded.files) == [f"ablations/{name}.yaml"]
    assert load_ablation(name, files=loaded.files).name == name


def test_a_profile_with_its_own_regime_behind_it_is_that_profile(tmp_path):
    assert load_ablation("lrn", "laptop-modern") == load_ablation("lrn", "laptop")
    assert load_ablation("lrn", "laptop-authors").profile == "laptop-authors"
    text = LRN + "profiles: {laptop-modern: {seeds: 2}}\n"
    assert "profiles: laptop-modern is laptop, by its own regime" in refusal(tmp_path, text)


def test_values_tuned_earlier_reach_their_variant_alone(tmp_path):
    text = LRN + "profiles: {laptop: {tuned: {both: {train.lr: 0.03}}}}\n"
    loaded = load_ablation(write(tmp_path, text))
    tuned = with_tuned(loaded, loaded.tuned)
    assert tuned.variants["both"].train.lr == 0.03
    assert tuned.variants["none"].train.lr == loaded.variants["none"].train.lr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("model.lrn: none", "model.lnr: none"),
            "unknown key 'model.lnr', did you mean 'model.lrn'?",
        ),
        (("model.lrn: none", "model.lrn: off"), "'off' is not allowed"),
        (("model.lrn: none", "model.lrn: false"), "False is not allowed"),
        (("model.lrn: none", "model.lrn: conv3"), "'conv3' is not allowed, it should be 'none', "),
        (("model.lrn: none", "train.lr: '1e-2'"), "train.lr: '1e-2' is not allowed"),
        (("model.lrn: none", "train.epochs: 0"), "train.epochs: 0 is not allowed"),
        (("model.lrn: none", "model.lrn: both"), "variants 'none' and 'both' are equal"),
        (("model.lrn: none", "model.lrn: both, model.lrn_order: x"), "model.lrn_order: 'x'"),
        (("baseline: none", "baseline: nome"), "baseline 'nome' is unknown, did you mean 'none'?"),
        (("claims: {lrn", "claims: {lnr"), "claim 'lnr' is unknown, did you mean 'lrn'?"),
        (("metrics: [test_error]", "metrics: [tset_error]"), "did you mean 'test_error'?"),
        (
            ("metrics: [test_error]", "metrics: []"),
            "metrics: [] is not allowed, it should be at least 1 of them",
        ),
        (
            ("Does it help?", "' '"),
            "question: ' ' is not allowed, it should be printable text of 1",
        ),
        (("title:", "titel:"), "key 'title' is missing"),
        (("  none:", "  false:"), "key False is not text: put it in quotes"),
        (("  none:", "  a/b:"), "variant 'a/b': a name has letters, digits"),
        (("baseline: none", "baseline: none\nbaseline: both"), "duplicate key"),
        (("baseline: none", "baseline: [none"), "not valid YAML"),
        (("baseline: none", "baseline: none\nseeds: 0"), "seeds: 0 is not allowed"),
        (
            ("baseline: none", "baseline: none\ntune: none"),
            "no tune: give a grid, or tune: none with a tune_reason",
        ),
        (("baseline: none", "baseline: none\nprofiles: {labtop: {}}"), "did you mean 'laptop'?"),
        (("variants:", "matrix: {model.lrn: []}\nx:"), "unknown key 'x'"),
        (("baseline: none", "baseline: none\ntune: {train.lr: []}"), "tune.train.lr: [] is not"),
        (("baseline: none", "baseline: none\ntune: {train.momentum: [1.5]}"), "1.5 is not allowed"),
        (("baseline: none", "baseline: none\ntune: {train.lr: [1, 1.0]}"), "value is given twice"),
        (
            ("metrics: [test_error]", "metrics: [test_accuracy]"),
            "tuning takes the lowest of the first metric, and test_accuracy is not to be minimised",
        ),
        (
            ("[test_error]", "[test_accuracy]\ntune: none\ntune_reason: r\ntune_neighbours: 1"),
            "and test_accuracy is not to be minimised",
        ),
        (
            ("baseline: none", "baseline: none\ntuned: {none: {train.lr: 0.1}}"),
            "belongs under prof",
        ),
        (
            ("{lrn: both}", "{lrn: {variant: both, metric: tset_error}}"),
            "did you mean 'test_error'?",
        ),
        (
            (
                "baseline: none",
                "baseline: none\nprofiles: {laptop: {tuned: {both: {train.lrr: 1}}}}",
            ),
            "profiles.laptop.tuned.both: unknown key 'train.lrr'",
        ),
        (
            ("baseline: none", "baseline: none\nprofiles: {laptop: {extra_variants: {../x: {}}}}"),
            "variant '../x': a name has letters, digits",
        ),
        (("{lrn: both}", "{lrn: none}"), "claims.lrn: 'none' is its own baseline"),
        (("  both: {model.lrn: both}", ""), "a comparison needs two variants or more"),
        (("model.lrn: none", "augment.crop_size: 64"), "augment.crop_size is 64, at most"),
        (("model.lrn: none", "train.stop_at_target: true"), "needs a train.target_train_error"),
        (
            (
                "model.lrn: none",
                "train.stop_at_target: true, train.target_train_error: 25.0, "
                "evaluate.train_images: 0",
            ),
            "train.stop_at_target needs the training error",
        ),
        (
            ("model.lrn: none", "train.layer_weight_lr_factor: {conv9: 2.0}"),
            "train.layer_weight_lr_factor: alexnet_small has no 'conv9'",
        ),
        (
            ("model.lrn: none", "train.optimizer: adam, train.momentum: 0.5"),
            "train.momentum is for sgd, and adam has none: leave it at 0.9",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, change, expected):
    assert change[0] in LRN
    assert expected in refusal(tmp_path, LRN.replace(*change, 1))


def test_a_key_that_a_variant_sets_cannot_be_tuned_as_well(tmp_path):
    text = LRN.replace("model.lrn: none", "train.lr: 0.1") + "tune: {train.lr: [0.1, 0.2]}\n"
    assert "train.lr is set by a variant and tuned" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        LRN.replace("model.lrn: none", "train.lr: 0.1"),
        LRN.replace("model.lrn: none", "train.lr: 0.01"),  # the default, but set
        LRN + "profiles: {laptop: {variants: {none: {train.lr: 0.1}}}}\n",
        LRN + "profiles: {laptop: {extra_variants: {slow: {train.lr: 0.1}}}}\n",
    ],
)
def test_nor_where_the_grid_is_the_profiles_own(tmp_path, text):
    assert "train.lr is set by a variant and tuned under profile laptop" in refusal(tmp_path, text)


def test_a_matrix_with_a_value_twice_is_refused(tmp_path):
    text = LRN[: LRN.index("variants:")] + "matrix: {model.lrn: [none, both, none]}\n"
    assert "two cells have one name" in refusal(tmp_path, text)


def test_an_empty_matrix_is_refused(tmp_path):
    text = LRN[: LRN.index("variants:")] + "matrix: {model.lrn: []}\n"
    assert "neither empty" in refusal(tmp_path, text)


def test_the_error_names_the_file_the_variant_the_key_and_a_suggestion(tmp_path):
    message = refusal(tmp_path, LRN.replace("model.lrn: both", "model.lrn: bth"))
    assert message.startswith("variant 'both': model.lrn: 'bth' is not allowed")


def test_an_unknown_name_lists_what_is_shipped():
    with pytest.raises(BadInput, match=r"did you mean 'lrn'\?; shipped are .*lrn"):
        load_ablation("lnr")


def test_an_unknown_profile_lists_what_is_allowed():
    with pytest.raises(BadInput, match=r"did you mean 'laptop'\?; allowed are laptop, "):
        load_ablation("lrn", profile="labtop")


def test_set_refuses_an_unknown_key_with_a_suggestion():
    with pytest.raises(BadInput, match=r"--set train\.epoch=1: .* did you mean 'train\.epochs'\?"):
        load_ablation("lrn", settings=["train.epoch=1"])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", shipped_ablations())
def test_every_shipped_ablation_loads_under_every_profile(name, profile):
    loaded = load_ablation(name, profile)
    assert loaded.baseline in loaded.variants
    assert loaded.claims or name in ("precision", "schedules")  # which nobody claims anything of
