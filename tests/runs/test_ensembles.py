"""Variants that train nothing: what they average, and what they need."""

import math

import numpy as np
import pytest

import alexbench
from alexbench.config.load import load_ablation
from alexbench.errors import BadInput, RunFailed
from alexbench.launch import estimate, sweep
from alexbench.runs import ensembles, outputs, record
from alexbench.runs.record import RunRecord, unpack_correct
from alexbench.runs.run import measured_runs, run_id
from alexbench.runs.store import RunStore
from tests.records import GLYPHS, identity, of_run

DATA = GLYPHS | {"classes": ["a", "b", "c"], "test_images": 4}
LABELS = np.array([0, 1, 2, 2])


def of(ablation: str, variant: str, seeds: int = 2) -> ensembles.Average:
    every = ensembles.averages(load_ablation(ablation, seeds=seeds), identity)
    return next(each for each in every if (each.run.variant, each.run.seed) == (variant, 1))


def test_variants_that_differ_in_their_test_alone_are_one_net():
    views = load_ablation("views")
    assert {ensembles.trained_variant(views, name) for name in views.variants} == {"centre"}
    lrn = load_ablation("lrn")
    assert [ensembles.trained_variant(lrn, name) for name in lrn.variants] == list(lrn.variants)
    assert not list(ensembles.averages(lrn, identity))


def test_an_ensemble_is_the_net_of_its_seed_and_nets_of_seeds_a_hundred_apart():
    average = of("ensemble", "three")
    assert [(m.variant, m.seed, m.purpose) for m in average.members] == [
        ("one", 1, "measure"),
        ("one", 101, "member"),
        ("one", 201, "member"),
    ]
    one = load_ablation("ensemble").variants["one"]
    assert [m.run_id for m in average.members] == [
        run_id(one, seed, identity(one)) for seed in (1, 101, 201)
    ]
    assert {m.keep_views for m in average.members} == {("centre",)}


def test_views_are_tests_of_one_net_that_keeps_its_outputs_on_each():
    average = of("views", "translations")
    (net,) = average.members
    assert (net.variant, net.seed, net.purpose) == ("centre", 1, "measure")
    assert net.keep_views == ("centre", "mirror", "ten_crop", "translations")


def test_every_net_is_trained_once_and_none_when_the_averages_are_there(tmp_path):
    ensemble = load_ablation("ensemble", seeds=2)
    runs = ensembles.trainings(ensemble, identity, RunStore(tmp_path))
    assert sorted(run.seed for run in runs) == [s + 100 * n for n in range(7) for s in (0, 1)]
    assert len({run.run_id for run in runs}) == len(runs)
    assert all(run.keep_views for run in runs)
    for average in ensembles.averages(ensemble, identity):
        record.write(of_run(average.run), RunStore(tmp_path).record_path(average.run))
    assert [run.seed for run in ensembles.trainings(ensemble, identity, RunStore(tmp_path))] == [
        0,
        1,
    ]
    RunStore(tmp_path).record_path(average.run).write_text("{")  # seven nets of seed 1
    again = ensembles.trainings(ensemble, identity, RunStore(tmp_path))
    assert sorted(run.seed for run in again) == [0, *(1 + 100 * n for n in range(7))]


def test_an_ablation_without_averages_trains_what_it_measures(tmp_path):
    lrn = load_ablation("lrn")
    trained = ensembles.trainings(lrn, identity, RunStore(tmp_path))
    assert [run.run_id for run in trained] == [run.run_id for run in measured_runs(lrn, identity)]


def made(store: RunStore, *kept: list[list[float]] | None) -> RunRecord:
    """The average of nets with these outputs on four images of three classes; None: diverged."""
    variant = {2: "two", 3: "three"}[len(kept)]
    average = of("ensemble", variant)
    for member, each in zip(average.members, kept, strict=True):
        status = "finished" if each else "diverged"
        size = {"parameters": 10, "flops": 20}
        net = of_run(member, data=DATA, status=status, model=size)
        record.write(net, store.record_path(member))
        if each:
            arrays = {"centre": np.array(each, np.float32)}
            outputs.write(arrays, LABELS, store.outputs_path(member))
    return ensembles.make(average, store)


SURE = [[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]
DOUBTING = [[0.4, 0.6, 0.0], [0.1, 0.9, 0.0], [0.3, 0.3, 0.4], [0.1, 0.5, 0.4]]


def test_the_mean_of_two_nets_by_hand(tmp_path):
    found = made(RunStore(tmp_path), SURE, DOUBTING)
    # means .65 .35 0 | .45 .55 0 | .45 .3 .25 | .15 .35 .5: the third is wrong
    assert unpack_correct(found).tolist() == [True, True, False, True]
    assert found.measurements["test_error"] == 25
    assert found.measurements["top5_error"] == 0
    loss = -np.log([0.65, 0.55, 0.25, 0.5]).mean()
    assert found.measurements["test_loss"] == pytest.approx(loss)
    assert found.confusion == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert (found.variant, found.seed) == ("two", 1)
    assert found.config["evaluate"]["nets"] == 2
    assert found.model == {"parameters": 20, "flops": 40}


def test_an_average_with_a_net_that_diverged_has_diverged(tmp_path):
    found = made(RunStore(tmp_path), SURE, None, DOUBTING)
    assert (found.status, found.correct, found.confusion) == ("diverged", "", None)


def test_an_impossible_class_costs_a_finite_loss(tmp_path):
    found = made(RunStore(tmp_path), *[[[0.0, 1.0, 0.0]] * 4] * 2)
    assert math.isfinite(found.measurements["test_loss"])


TINY = """
title: A tiny question
question: Do more views and more nets help?
claims: {ten_crop: ten}
baseline: centre
metrics: [test_error, test_loss]
tune: none
tune_reason: it is only a test
config:
  data.train_images: 52
  data.test_images: 26
  model.name: cifar4
  model.width: 0.125
  train.epochs: 1
  train.batch_size: 26
  evaluate.train_images: 0
variants:
  centre: {evaluate.views: centre}
  ten: {evaluate.views: ten_crop}
  two: {evaluate.nets: 2}
"""


def test_a_sweep_trains_the_nets_and_averages_them_and_nothing_twice(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    options = {"results": str(tmp_path / "results"), "jobs": 1}
    comparison = alexbench.run(str(path), seeds=2, **options).comparison
    folder = tmp_path / "results" / "tiny" / "laptop"
    assert comparison["num_pairs"].tolist() == [2] * len(comparison)
    trained = [record.read(p) for p in [*folder.glob("runs/centre*"), *folder.glob("members/*")]]
    assert sorted(each.seed for each in trained) == [0, 1, 100, 101]
    ten = record.read(next(folder.glob("runs/ten-seed0*")))
    centre = record.read(next(folder.glob("runs/centre-seed0*")))
    assert ten.history == centre.history
    assert ten.measurements["views"] == "ten_crop"
    assert ten.measurements["test_loss"] != centre.history[-1]["test_loss"]
    for kept in (folder / "outputs").iterdir():
        kept.unlink()  # as in a fresh clone, which has the records alone
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("runs/*.json")}
    assert alexbench.run(str(path), seeds=2, **options).comparison.equals(comparison)
    assert times == {p: p.stat().st_mtime_ns for p in folder.rglob("runs/*.json")}
    prepared = sweep.prepare(str(path), options=sweep.sweep_options(seeds=2, **options))
    assert None not in estimate.done_and_not(prepared, prepared.ablation).values()


def test_a_view_that_is_asked_for_later_is_tested_on_nets_trained_again(tmp_path):
    path = tmp_path / "tiny.yaml"
    options = {"seeds": 1, "results": str(tmp_path / "results"), "jobs": 1}
    path.write_text(TINY.replace("  two: {evaluate.nets: 2}", ""))
    alexbench.run(str(path), **options)
    path.write_text(TINY.replace("two: {evaluate.nets: 2}", "mirror: {evaluate.views: mirror}"))
    alexbench.run(str(path), **options)
    folder = tmp_path / "results" / "tiny" / "laptop"
    mirror = record.read(next(folder.glob("runs/mirror-seed0*")))
    assert (mirror.status, mirror.measurements["views"]) == ("finished", "mirror")


def test_damaged_outputs_are_no_outputs(tmp_path):
    for content in (b"", b"text", b"PK\x03\x04 half of a zip"):
        (tmp_path / "a.npz").write_bytes(content)
        assert outputs.views(tmp_path / "a.npz") == []
        with pytest.raises(RunFailed, match=r"a.npz: is damaged; delete it"):
            outputs.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("  two: {evaluate.nets: 2}", "  two: {evaluate.nets: 2, train.lr: 0.5}"), "trains them"),
        (("tune: none", "tune: {train.lr: [0.1, 0.2]}"), "there is nothing to tune"),
        (("nets: 2", "nets: 10"), "evaluate.nets: 10 is not allowed"),
        (("tune: none", "tune_neighbours: 1\ntune: none"), "same nets: tune_neighbours must be 0"),
        (("tune: none", "seeds: 101\ntune: none"), "seeds: 101 is above 100, for averages"),
    ],
)
def test_what_cannot_be_averaged_is_refused(change, complaint, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.replace(*change))
    with pytest.raises(BadInput, match=complaint):
        load_ablation(str(path))
