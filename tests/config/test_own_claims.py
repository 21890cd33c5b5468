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
        (
            own("delta: -0.5", "step_seconds"),
            "step_seconds is compared by its ratio: numbers above",
        ),
        (own("values: {narrow: 0, wide: 1}", "step_seconds"), "by its ratio: numbers above 0"),
        (own("values: {narrow: 150, wide: 10}"), "test_error: percentages of 0 to 100"),
        (own("values: {narrow: 10, wide: -3}", "top5_error"), "top5_error: percentages of 0 to"),
        (own("delta: -101"), "test_error: percentages of 0 to 100"),
        (own("values: {narrow: 0, wide: 0}, standard_error: 1"), "there is none at 0% or 100%"),
        (own("values: {narrow: 1, wide: 2}, images: 9", "test_loss"), "images: gives no standard"),
        (own("delta: 1, link: 'javascript:alert(1)'"), "reported.link: 'javascript:alert"),
        (own("delta: 1").replace("new:", "'<img src=x>':"), "claims '<img src=x>': a name has"),
        (own("delta: 1").replace("new:", f"{'n' * 101}:"), "a name has at most 100 characters"),
        ("claims: {new: wide}", "claim 'new' is unknown"),
    ],
)
def test_a_wrong_claim_is_one_line(tmp_path, text, said):
    with pytest.raises(BadInput, match=f"mine.yaml: .*{said}"):
        load(tmp_path, text)


@pytest.mark.parametrize("numbers", ["values: {narrow: 0, wide: 100}", "delta: -3"])
def test_percentages_and_differences_may_lie_at_the_ends(tmp_path, numbers):
    load(tmp_path, own(numbers))
    load(tmp_path, own("delta: -0.5, standard_error: 0.1", "test_loss"))


def test_the_comparisons_of_one_claim_have_one_source(tmp_path):
    two = "claims: {new: [{variant: wide, metric: test_error, reported: {statement: s, source: A, "
    two += "n: 3, delta: 1}}, {variant: wide, metric: top5_error, reported: {statement: s, %s}}]}"
    load(tmp_path, two % "source: A, n: 3, delta: 2")
    assert references.claim("mine:new").runs == 3
    for other in ("source: B, n: 3, delta: 2", "source: A, delta: 2"):
        with pytest.raises(BadInput, match=r"claims.new: reported.(source|n): is not that of"):
            load(tmp_path, two % other)


def test_an_own_source_does_not_take_the_place_of_a_shipped_one(tmp_path):
    shipped = references.source(references.claim("lrn"))
    text = own("delta: 1, link: 'https://example.org/x'").replace("Somebody 2020", "krizhevsky2012")
    load(tmp_path, text)
    assert references.source(references.claim("lrn")) == shipped
    told = references.source(references.claim("mine:new"))
    assert (told.title, told.link) == ("krizhevsky2012", "https://example.org/x")


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
