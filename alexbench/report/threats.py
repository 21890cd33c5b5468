"""Threats to validity, each read from the records: what a careful reader would ask about."""

from collections.abc import Iterator

from alexbench.analysis.pairs import by_rate, chosen
from alexbench.config import references
from alexbench.report import text
from alexbench.report.material import Material
from alexbench.runs import metric_values

FEW_SEEDS = 6
FEW_TUNING_SEEDS = 2
UNEQUAL = 0.02  # of the parameters or FLOPs of two arms


def threats(material: Material) -> list[str]:
    """Return a sentence for each reason to doubt the verdicts, in the order of their weight."""
    return [
        *other_data(material),
        *one_rate(material),
        *rate_at_the_edge(material),
        *few_tuning_seeds(material),
        *few_seeds(material),
        *missing_rates(material),
        *at_chance(material),
        *still_learning(material),
        *unequal_sizes(material),
        *machines(material),
    ]


def other_data(material: Material) -> Iterator[str]:
    """Claims that were made on other images."""
    titles = {
        references.data_title(references.claim(row.claim))
        for row in material.comparison
        if row.claim and row.same_data == "no"
    }
    if titles:
        name = material.records[0].data["name"]
        yield f"Other data: measured on {name}; the claims are about {', '.join(sorted(titles))}."


def one_rate(material: Material) -> Iterator[str]:
    """Arms that were measured at one learning rate."""
    if not any(row.role and text.at_one_rate(row) for row in material.comparison):
        return
    rates: dict[str, set[float]] = {}
    for run in material.records:
        rates.setdefault(run.variant, set()).add(run.config["train"]["lr"])
    single = [name for name, own in rates.items() if len(own) == 1]
    arms = "an arm" if len(single) == len(rates) else f"of {', '.join(single)}"
    yield (
        f"One rate {arms}: the intervals do not know that the learning rate was chosen, "
        "so they are too narrow."
    )


def rate_at_the_edge(material: Material) -> Iterator[str]:
    """Arms whose best measured rate is the lowest or the highest: nothing shows the other side."""
    at_edge = []
    for name in material.ablation.variants:
        arm = sorted(by_rate([run for run in material.records if run.variant == name]))
        best = {run.config["train"]["lr"] for run in material.at_best if run.variant == name}
        if len(arm) > 1 and best & {arm[0], arm[-1]}:
            at_edge.append(f"{name} at train.lr {best.pop():.3g}")
    if at_edge:
        yield (
            f"Best rate at the edge of those measured: {', '.join(at_edge)}; a rate beyond it may "
            "be better."
        )


def few_tuning_seeds(material: Material) -> Iterator[str]:
    """Rates that few seeds chose; or that nothing chose, where arms train otherwise at one each."""
    if not any(map(chosen, material.records)):
        judged = [row for row in material.comparison if row.role] or material.comparison
        trained = {run.variant: run.config | {"evaluate": None} for run in material.records}
        if any(
            text.at_one_rate(row) and trained.get(row.variant) != trained.get(row.baseline)
            for row in judged
        ):
            yield "Rates were not tuned: an arm that wants another rate looks worse than it is."
        return
    seeds = {run.seed for run in material.tuning}
    if material.tuning and len(seeds) <= FEW_TUNING_SEEDS:
        said = "1 seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
        yield f"Thin tuning: {said} at each learning rate chose the rates."


def few_seeds(material: Material) -> Iterator[str]:
    """Few pairs, and arms with fewer seeds than others."""
    counts = {
        name: len({run.seed for run in material.records if run.variant == name})
        for name in material.ablation.variants
    }
    counts = {name: count for name, count in counts.items() if count}
    most = max(counts.values())
    fewer = [f"{name} {count}" for name, count in counts.items() if count < most]
    if fewer:
        yield f"Fewer seeds in some arms: {', '.join(fewer)}; the others have {most}."
    if most < FEW_SEEDS:
        yield f"Few seeds: {most} an arm; only large effects can be told from none."


def missing_rates(material: Material) -> Iterator[str]:
    """Seeds that lack a rate of their arm: they make no pair, however many rates they have."""
    for name in material.ablation.variants:
        arm = by_rate([run for run in material.records if run.variant == name])
        seeds = {seed for runs in arm.values() for seed in runs}
        for rate, runs in arm.items():
            if lacking := sorted(seeds - runs.keys()):
                said = ", ".join(map(str, lacking))
                yield (
                    f"Seeds left out: {name} has no run at train.lr {rate:.3g} of seed {said}, and "
                    "a seed counts only with every rate of both arms."
                )


def at_chance(material: Material) -> Iterator[str]:
    """Arms with nets that did not learn."""
    idle = {
        name: sum(
            metric_values.did_not_learn(run) for run in material.records if run.variant == name
        )
        for name in material.ablation.variants
    }
    if any(idle.values()):
        said = ", ".join(f"{count} of {name}" for name, count in idle.items() if count)
        yield f"Nets at chance: {said} did not learn; their arms say little about the technique."


def still_learning(material: Material) -> Iterator[str]:
    """Runs that were still improving when they ended."""
    runs = [run for run in material.at_best if run.status != "diverged"]
    late = [run for run in runs if metric_values.read("epochs_to_converge", run).censored]
    stopped = any(run.config["train"].get("stop_at_target") for run in runs)
    if late and not stopped and len(runs[0].history) > 1:
        yield (
            f"Short runs: the test error of {len(late)} of {len(runs)} was still falling at the "
            "end; a longer schedule may order the arms otherwise."
        )


def unequal_sizes(material: Material) -> Iterator[str]:
    """Claims whose two arms differ in parameters or FLOPs."""
    sizes = {run.variant: run.model for run in material.records}
    for key, title in (("parameters", "parameters"), ("flops", "FLOPs")):
        unequal = {
            f"{row.variant_label} has {ratio:.2f} times those of {row.baseline_label}"
            for row in material.comparison
            if row.role == "claim" and {row.variant, row.baseline} <= sizes.keys()
            for ratio in [sizes[row.variant][key] / max(1, sizes[row.baseline][key])]  # type: ignore[literal-required]
            if abs(ratio - 1) > UNEQUAL
        }
        if unequal:
            yield f"Unequal {title}: {'; '.join(sorted(unequal))}."


def machines(material: Material) -> Iterator[str]:
    """Timings of several processors, GPUs that were slowed down, or uncommitted code."""
    environments = [run.environment for run in material.records]
    if any(environment["dirty"] for environment in environments):
        dirty = sum(bool(environment["dirty"]) for environment in environments)
        yield f"Uncommitted code: {dirty} of {len(environments)} records were made with changes."
    if len({environment["processor"] for environment in environments}) > 1:
        yield "Several processors: runs are paired for timings on one of them only."
    slowed = [each["slowed_by"] for each in environments if each.get("slowed_by")]
    if slowed:
        causes = ", ".join(sorted({cause for each in slowed for cause in each}))
        yield f"Slowed GPU: {len(slowed)} of {len(environments)} runs, by {causes}."
