"""Claims and profiles that an ablation's own files define."""

import pytest

from alexbench.analysis.comparison import on_scale
from alexbench.analysis.scales import points_to_log_odds
from alexbench.config import references
from alexbench.config.load import load_ablation
from alexbench.errors import BadInput
from tests.sweeps import ABLATION

REPORTED = "reported: {statement: s, source: Somebody 2020, %s}"


def load(tmp_path, text: str, profile: str = "laptop"):
    path = tmp_path / "mine.yaml"
    path.write_text(ABLATION.replace("claims: {lrn: wide}", text))
    return load_ablation(str(path), profile)


def own(numbers: str, metric: str = "test_error") -> str:
    return f"claims: {{new: {{variant: wide, metric: {metric}, {REPORTED % numbers}}}}}"


def test_a_claim_gives_values_a_delta_or_a_direction(tmp_path):
    for numbers, size in (("values: {narrow: 12, wide: 10}", -2), ("delta: -3", -3)):
        assert list(load(tmp_path, own(numbers)).claims) == ["mine:new"]
        assert references.claim("mine:new").effect("test_error", ("narrow", "wide")).size == size
    load(tmp_path, own("direction: lower"))
    effect = references.claim("mine:new").effect("test_error", ("narrow", "wide"))
    assert (effect.size, effect.log_or_points) == (None, -1)
    assert references.source_title(references.claim("mine:new")) == "Somebody 2020"


def test_a_standard_error_that_the_source_gives_counts_on_every_scale(tmp_path):
    load(tmp_path, own("values: {narrow: 12, wide: 10}, standard_error: 0.5"))
    effect = references.claim("mine:new").effect("test_error", ("narrow", "wide"))
    assert on_scale(effect, "points").standard_error == 0.5
    assert on_scale(effect, "log odds").standard_error == points_to_log_odds(0.5, 11)
    load(tmp_path, own("delta: 2.0, standard_error: 0.5", "step_seconds"))
    effect = references.claim("mine:new").effect("step_seconds", ("narrow", "wide"))
    assert on_scale(effect, "log ratio").standard_error == 0.25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (own("values: {narrow: 12}"), "claims.new: reported.values: give a value for each of"),
        (own("delta: 1, direction: lower"), "claims.new: .*give one of: delta, direction"),
        (own("delta: 1, data: cifar11"), "claims.new: reported.data 'cifar11': allowed are"),
        (own("delta: 1").replace("new:", "lrn:"), "claims.lrn: alexbench has that claim"),
        (own("dleta: 1"), "dleta"),
        ("claims: {new: wide}", "claim 'new' is unknown"),
    ],
)
def test_a_wrong_claim_is_one_line(tmp_path, text, said):
    with pytest.raises(BadInput, match=f"mine.yaml: .*{said}"):
        load(tmp_path, text)


def test_an_own_profile_is_named_by_its_path(tmp_path):
    path = tmp_path / "phone.yaml"
    path.write_text(
        "regime: modern\nseeds: 5\ntune: none\ntune_reason: short\n"
        "config: {data.name: glyphs, train.epochs: 3}\n"
    )
    loaded = load_ablation("lrn", str(path))
    assert (loaded.profile, loaded.regime, loaded.seeds) == ("phone", "modern", 5)
    assert loaded.variants["both"].train.epochs == 3
    assert loaded.files == {"ablations/profiles/phone.yaml": path.read_text()}
    again = load_ablation("lrn", "phone", files=loaded.files)
    assert again.variants == loaded.variants


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("laptop.yaml", "regime: modern", "none of the shipped"),
        ("phone.yaml", "regime: moddern", "did you mean 'modern'"),
        ("phone.yaml", "seeds: 3", "key 'regime' is missing"),
        ("phone.yaml", None, "phone.yaml: is no file"),
    ],
)
def test_a_wrong_profile_is_one_line(tmp_path, name, text, said):
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        load_ablation("lrn", str(tmp_path / name))
