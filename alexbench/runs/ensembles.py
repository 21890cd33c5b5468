"""Variants that are not trained: the outputs of trained nets, averaged over views or nets.

Variants that differ in ``evaluate.views`` and ``evaluate.nets`` alone are one net. The first of
them that asks for one net is trained; its runs keep their outputs on the test images, and the
records of the others are made of those. No torch here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from alexbench.config.ablation import NEXT_NET, Ablation
from alexbench.config.overrides import same_net
from alexbench.runs import outputs, record
from alexbench.runs.record import Measurements, RunRecord, pack_correct
from alexbench.runs.run import Identity, Run, make_run, measured_runs
from alexbench.runs.store import RunStore

SMALLEST_PROBABILITY = 1e-38


@dataclass(frozen=True)
class Average:
    """A run that is not trained, and the runs whose outputs it averages."""

    run: Run
    members: list[Run]

    def is_made(self, store: RunStore) -> bool:
        """Whether the average has a record that can be used."""
        return store.is_done(self.run)


def trained_variant(ablation: Ablation, variant: str) -> str:
    """The variant that trains the nets of this one, which is often itself."""
    config = ablation.variants[variant]
    same = (
        name
        for name, other in ablation.variants.items()
        if other.evaluate.nets == 1 and same_net(config, other)
    )
    return next(same, variant)


def averages(ablation: Ablation, identity: Identity) -> Iterator[Average]:
    """Every run that is not trained, in the order of the measured runs."""
    sources = {name: trained_variant(ablation, name) for name in ablation.variants}
    for run in measured_runs(ablation, identity):
        source = sources[run.variant]
        if source == run.variant:
            continue
        tested = [
            ablation.variants[name].evaluate.views for name in sources if sources[name] == source
        ]
        yield Average(
            run,
            [
                make_run(
                    ablation,
                    source,
                    run.seed + NEXT_NET * net,
                    "member" if net else "measure",
                    ablation.variants[source],
                    identity,
                    tuple(sorted(set(tested))),
                )
                for net in range(run.config.evaluate.nets)
            ],
        )


def trainings(ablation: Ablation, identity: Identity, store: RunStore) -> list[Run]:
    """The runs that are trained: of every variant that is no average, and the nets that the
    averages without a record still need."""
    measured = measured_runs(ablation, identity)
    trained = {name for name in ablation.variants if trained_variant(ablation, name) == name}
    own = [run for run in measured if run.variant in trained]
    unmade = [each for each in averages(ablation, identity) if not each.is_made(store)]
    needed = {member.run_id: member for each in unmade for member in each.members}
    return [needed.pop(run.run_id, run) for run in own] + list(needed.values())


def make(average: Average, store: RunStore) -> RunRecord:
    """Make the record of an average: the first net's, with the scores of the mean outputs.

    A net that diverged has no outputs, and an average with such a net has diverged.
    """
    run, views = average.run, average.run.config.evaluate.views
    nets = [record.read(store.record_path(member)) for member in average.members]
    made = replace(
        nets[0],
        run_id=run.run_id,
        variant=run.variant,
        config=run.config.model_dump(mode="json"),
        model={
            "parameters": len(nets) * nets[0].model["parameters"],
            "flops": len(nets) * nets[0].model["flops"],
        },
    )
    if any(net.status == "diverged" for net in nets):
        return replace(made, status="diverged", correct="", confusion=None, measurements={})
    kept = [outputs.read(store.outputs_path(member)) for member in average.members]
    mean = np.stack([each[views] for each in kept]).mean(axis=0, dtype=np.float64)
    labels = kept[0]["labels"]
    best = np.argsort(-mean, axis=1, kind="stable")[:, :5]
    return replace(
        made,
        correct=pack_correct(best[:, 0] == labels),
        confusion=confusion(labels, best[:, 0], mean.shape[1]),
        measurements={"views": views, "nets": len(kept), **scores(mean, best, labels)},
    )


def scores(mean: np.ndarray, best: np.ndarray, labels: np.ndarray) -> Measurements:
    """Errors in percent and the loss in nats of outputs (test images, classes)."""
    right = np.maximum(mean[np.arange(len(labels)), labels], SMALLEST_PROBABILITY)
    return {
        "test_loss": float(-np.log(right).mean()),
        "test_error": 100 * int((best[:, 0] != labels).sum()) / len(labels),
        "top5_error": 100 * int((best != labels[:, None]).all(axis=1).sum()) / len(labels),
    }


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]] | None:
    """Counts of true x predicted classes; None where the table would be too large to keep."""
    if classes > record.MOST_CLASSES_IN_CONFUSION:
        return None
    cells = labels.astype(np.int64) * classes + predicted
    counts: list[list[int]] = np.bincount(cells, minlength=classes**2).reshape(classes, -1).tolist()
    return counts
