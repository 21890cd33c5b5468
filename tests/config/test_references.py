"""The sources' numbers are complete, lead somewhere, and carry the errors that were printed."""

import pytest
import yaml
from pydantic import ValidationError

from alexbench.config import references
from alexbench.config.references import Effect, References
from tests.records import CIFAR10, GLYPHS

CLAIMS = """
relu two_gpu two_gpu_time two_gpu_links lrn lrn_cifar pooling depth augmentation pca_colour dropout
weight_decay bias_init ten_crop ensemble specialisation vgg_lrn vgg_depth hybrid_parallel
adam resize_128 lrn_default one_column vgg16_small
""".split()


def test_there_are_nineteen_claims_and_five_reimplementations() -> None:
    assert references.claim_ids() == CLAIMS


@pytest.mark.parametrize(
    ("claim", "metric", "delta"),
    [
        ("relu", "epochs_to_target", 1 / 6),
        ("two_gpu", "test_error", -1.7),
        ("two_gpu", "top5_error", -1.2),
        ("two_gpu_time", "epoch_seconds", None),
        ("lrn", "test_error", -1.4),
        ("lrn", "top5_error", -1.2),
        ("lrn_cifar", "test_error", -2.0),
        ("pooling", "test_error", -0.4),
        ("pooling", "top5_error", -0.3),
        ("depth", "test_error", -2.0),
        ("augmentation", "test_error_at_train_error_30", None),
        ("pca_colour", "test_error", -1.0),
        ("dropout", "test_error_at_train_error_50", None),
        ("dropout", "epochs_to_converge", 2.0),
        ("weight_decay", "train_error", None),
        ("bias_init", "early_train_error", None),
        ("ten_crop", "test_error", -1.5),
        ("ten_crop", "top5_error", -1.3),
        ("ensemble", "top5_error", -1.8),
        ("vgg_lrn", "test_error", 0.1),
        ("vgg_lrn", "peak_memory_bytes", None),
    ],
)
def test_what_each_claim_says(claim: str, metric: str, delta: float | None) -> None:
    effect = references.claim(claim).effect(metric)
    assert effect is not None
    assert effect.size == (None if delta is None else pytest.approx(delta, abs=1e-5))


@pytest.mark.parametrize(
    ("claim", "top1", "top5", "errors"),
    [
        ("lrn", -1.370, -1.152, 4.4),
        ("pooling", -0.394, -0.300, 1.3),
        ("two_gpu", -1.695, -1.230, 9.6),
        ("two_gpu_links", -1.164, -1.120, 3.7),
    ],
)
def test_the_notebook_deltas_and_how_many_standard_errors_they_are(
    claim: str, top1: float, top5: float, errors: float
) -> None:
    first = references.claim(claim).notebook_effect("test_error")
    fifth = references.claim(claim).notebook_effect("top5_error")
    assert first is not None
    assert fifth is not None
    assert first.size == pytest.approx(top1, abs=1e-6)
    assert fifth.size == pytest.approx(top5, abs=1e-6)
    assert first.standard_error is not None
    assert abs(top1) / first.standard_error == pytest.approx(errors, abs=0.06)


def test_training_longer_is_as_large_as_pooling() -> None:
    longer = next(r for r in references.load().replications if r.id == "notebook_longer")
    effect = longer.effect("test_error")
    assert effect is not None
    assert effect.size == pytest.approx(-0.414)
    assert effect.standard_error == pytest.approx(0.414 / 1.3, abs=0.02)


def test_the_binomial_error_by_hand() -> None:
    # two arms of 20% and 10% wrong on 2,500 images: sqrt((0.16 + 0.09) / 2500) = 1 point
    effect = Effect(metric="test_error", baseline=20.0, variant=10.0, images=2500)
    assert effect.standard_error == pytest.approx(1.0)
    assert Effect(metric="test_error", delta=-1.0, images=2500).standard_error is None


def test_pairs_that_do_not_isolate_the_factor_are_kept_but_not_beside_the_claim() -> None:
    for claim in ("dropout", "weight_decay"):
        assert references.claim(claim).notebook
        assert references.claim(claim).notebook_effect("test_error") is None


def test_a_source_with_several_pairs_is_asked_by_the_names_of_the_arms() -> None:
    depth = references.claim("vgg_depth")
    effect = depth.effect("test_error", ("a", "d"))
    assert effect is not None
    assert effect.size == pytest.approx(-2.6)
    assert depth.effect("test_error", ("b", "d")) is None


def test_the_speed_up_of_eight_devices_is_that_of_the_table() -> None:
    effect = references.claim("hybrid_parallel").effect("epoch_seconds", ("one", "eight"))
    assert effect is not None
    assert effect.size is not None
    assert 1 / effect.size == pytest.approx(6.25, abs=0.005)


@pytest.mark.parametrize(
    ("replication", "grade", "delta"),
    [
        ("vgg_a_lrn", "S", 0.1),
        ("mishkin_lrn", "R", 0.1),
        ("mishkin_relu", "R", -7.0),
        ("mishkin_pooling", "R", 1.3),
        ("mishkin_groups", "R", -1.6),
        ("digits_lrn", "I", 0.11),
        ("nin_dropout", "S", -4.1),
        ("hinton_dropout_imagenet", "mem", -6.2),
        ("srivastava_dropout_fc", "mem", -0.66),
    ],
)
def test_replications_keep_their_grade(replication: str, grade: str, delta: float) -> None:
    found = next(r for r in references.load().replications if r.id == replication)
    effect = found.effect("test_error")
    assert effect is not None
    assert found.grade == grade
    assert effect.size == pytest.approx(delta)


def test_replications_are_found_by_their_claim() -> None:
    found = [each.id for each in references.replications_of("lrn")]
    assert found == ["vgg_a_lrn", "mishkin_lrn", "digits_lrn"]


def test_every_replication_has_a_name_of_its_own_and_says_something() -> None:
    replications = references.load().replications
    assert len({each.id for each in replications}) == len(replications)
    for each in replications:
        assert each.effects or each.values or each.statement


ILSVRC2012 = GLYPHS | {
    "name": "imagefolder",
    "classes": [str(number) for number in range(1000)],
    "train_images": 1_281_000,
    "test_images": 50_000,
}


@pytest.mark.parametrize(
    ("claim", "data", "same"),
    [
        ("lrn", ILSVRC2012, True),
        ("two_gpu", ILSVRC2012, False),  # the 2010 test set has 150,000 images
        ("lrn", CIFAR10, False),
        ("lrn", GLYPHS, False),
        ("lrn_cifar", CIFAR10, True),
        ("lrn_cifar", CIFAR10 | {"train_images": 10_000}, False),
        ("lrn_cifar", CIFAR10 | {"classes": ["one"]}, False),
    ],
)
def test_the_same_data_have_the_same_name_classes_and_sizes(
    claim: str, data: dict[str, object], same: bool
) -> None:
    assert references.same_data(references.claim(claim), data) is same


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"grade": "X"}, "Input should be 'R', 'A', 'S', 'I', 'mem' or 'own'"),
        ({"source": "nobody"}, "unknown source 'nobody'"),
        ({"data": "mnist"}, "unknown data set 'mnist'"),
        ({"effects": [{"metric": "accuracy", "delta": 1.0}]}, "unknown metric 'accuracy'"),
        ({"effects": [{"metric": "test_error"}]}, "give one of"),
        (
            {"effects": [{"metric": "test_error", "delta": 1.0, "direction": "lower"}]},
            "give one of",
        ),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_a_slip_in_the_file_is_caught(change: dict[str, object], complaint: str) -> None:
    content = yaml.safe_load(references.PATH.read_text(encoding="utf-8"))
    content["claims"]["lrn"] |= change
    with pytest.raises(ValidationError, match=complaint):
        References.model_validate(content)


def test_a_replication_of_an_unknown_claim_is_caught() -> None:
    content = yaml.safe_load(references.PATH.read_text(encoding="utf-8"))
    content["replications"][0]["claim"] = "lnr"
    with pytest.raises(ValidationError, match="unknown claim 'lnr'"):
        References.model_validate(content)


def test_a_delta_beside_one_arm_gives_the_other_and_a_standard_error() -> None:
    lrn = references.claim("lrn").effect("test_error")
    assert lrn is not None
    assert lrn.values == pytest.approx((42.1, 40.7))
    # sqrt((0.421 * 0.579 + 0.407 * 0.593) / 50000) = 0.003115
    assert lrn.standard_error == pytest.approx(0.3115, abs=1e-4)


def test_a_ratio_beside_one_arm_says_nothing_of_the_other() -> None:
    effect = references.Effect(metric="epochs_to_target", delta=0.5, variant=4.0)
    assert effect.values is None
    assert effect.size == 0.5


@pytest.mark.parametrize(("missing", "same"), [(0, True), (500, True), (-500, True), (501, False)])
def test_a_copy_that_lacks_at_most_one_image_in_a_hundred_is_the_same_data(
    missing: int, same: bool
) -> None:
    """CIFAR-10 has 50,000 training images."""
    copy = CIFAR10 | {"train_images": 50_000 - missing}
    assert references.same_data(references.claim("lrn_cifar"), copy) == same
