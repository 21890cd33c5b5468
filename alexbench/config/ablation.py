"""An ablation as every command sees it: frozen, resolved and checked."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alexbench.config import metrics, references
from alexbench.config.ablation_file import ClaimUse, Grid
from alexbench.config.constraints import effective
from alexbench.config.names import refuse, twice, unknown, unknown_metric
from alexbench.config.overrides import override, same_net
from alexbench.config.schema import Config, Overrides
from alexbench.config.yaml_file import known_keys
from alexbench.errors import BadInput, shown

NEXT_NET = 100  # from the seed of one net of an average to that of the next


@dataclass(frozen=True)
class Ablation:
    """One question under one profile, ready to be planned."""

    name: str
    file: str
    title: str
    question: str
    profile: str
    regime: str
    claims: dict[str, tuple[ClaimUse, ...]]
    baseline: str
    metrics: tuple[str, ...]
    seeds: int
    other_seeds: int | None
    variants: dict[str, Config]
    tune: Grid | None
    tune_reason: str | None
    tune_seeds: int
    tuned: dict[str, Overrides]  # variant -> what tuning chose for it earlier
    tune_neighbours: int = 0  # measured rates on either side of the tuned one
    # variant -> how many rates more are measured below and above, to bracket its best one
    beyond: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    finding: str | None = None  # two sentences on this profile's records
    labels: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    every_variant: tuple[str, ...] = ()  # of the file, in whatever profile
    files: Mapping[str, str] = field(default_factory=dict)  # name -> text of what is not shipped

    def finding_for(self, folder: str) -> str | None:
        """What the file says of the profile's records; nothing of runs with other settings."""
        return self.finding.strip() if self.finding and folder == self.profile else None

    def most_seeds(self, variant: str) -> int | None:
        """The limit that ``other_seeds`` sets to a variant that has part in no claim, or None."""
        uses = [use for uses in self.claims.values() for use in uses]
        claimed = {name for use in uses for name in (use.variant, use.baseline, use.control)}
        return None if variant in claimed or variant == self.baseline else self.other_seeds

    def seeds_of(self, variant: str) -> int:
        """How often a variant is trained."""
        return min(self.seeds, self.most_seeds(variant) or self.seeds)


def check(ablation: Ablation) -> None:
    """Checks that every name exists and that any two variants differ; raises BadInput."""
    names, where = list(ablation.variants), ablation.file
    own = [name for name in ablation.claims if references.is_own(name)]
    if len(names) < 2:
        raise BadInput(f"{where}: a comparison needs two variants or more")
    wrong = [unknown(f"{where}: baseline", ablation.baseline, names)]
    wrong += [unknown_metric(f"{where}: metric", metric) for metric in ablation.metrics]
    wrong += twice(f"{where}: metric", ablation.metrics)
    for claim, uses in ablation.claims.items():
        wrong.append(unknown(f"{where}: claim", claim, [*references.claim_ids(), *own]))
        for use in uses:
            wrong += check_use(f"{where}: claims.{shown(claim)}", use, names)
    if not ablation.tune and not ablation.tune_reason:
        wrong.append(f"{where}: no tune: give a grid, or tune: none with a tune_reason")
    refuse(wrong)
    check_tuning(ablation)
    alike: dict[str, str] = {}
    for name, config in ablation.variants.items():
        first = alike.setdefault(effective(config).model_dump_json(), name)
        if first != name:
            raise BadInput(
                f"{where}: variants '{first}' and '{name}' are equal: nothing to compare"
            )
    check_averages(ablation)
    check_arms(ablation)


def check_use(where: str, use: ClaimUse, names: Sequence[str]) -> list[str]:
    """What is wrong with the comparison that tests a claim. where: the file and the claim."""
    wrong = [
        unknown(f"{where}: variant", use.variant, names),
        unknown(f"{where}: baseline", str(use.baseline), names),
        unknown_metric(f"{where}: metric", use.metric or "test_error"),
    ]
    if use.control:
        wrong.append(unknown(f"{where}: control", use.control, names))
    if use.variant == use.baseline:
        wrong.append(f"{where}: '{shown(use.variant)}' is its own baseline")
    return wrong


def check_tuning(ablation: Ablation) -> None:
    """Checks the grid and the values chosen earlier; raises BadInput."""
    where = ablation.file
    for variant, values in ablation.tuned.items():
        tuned = f"{where}: profiles.{ablation.profile}.tuned"
        refuse([unknown(f"{tuned}: variant", variant, ablation.variants)])
        override(ablation.variants[variant], values, f"{tuned}.{variant}")
    first = metrics.METRICS[ablation.metrics[0]]
    if (ablation.tune or ablation.tune_neighbours) and not first.tunes:
        allowed = ", ".join(name for name, each in metrics.METRICS.items() if each.tunes)
        raise BadInput(
            f"{where}: tuning takes the lowest of the first metric, and {ablation.metrics[0]} "
            f"is not to be minimised; put one of these first: {allowed}"
        )
    for key, grid in (ablation.tune or {}).items():
        refuse([unknown(f"{where}: tune: key", key, known_keys())])
        if len(set(grid)) < len(grid):
            raise BadInput(f"{where}: tune.{key}: a value is given twice")
        for value, arm in itertools.product(grid, ablation.variants.values()):
            override(arm, {key: value}, f"{where}: tune")


def check_arms(ablation: Ablation) -> None:
    """Checks labels, and that what is measured at several rates can be; raises BadInput."""
    where = ablation.file
    refuse(
        unknown(f"{where}: {key}: variant", variant, ablation.every_variant)
        for key, named in (("labels", ablation.labels), ("about", ablation.about))
        for variant in named
    )
    if ablation.tune_neighbours and ablation.tune and ablation.tune_seeds < 2:
        raise BadInput(f"{where}: tune_seeds is 1: with tune_neighbours it must be 2 or more")
    if ablation.seeds > NEXT_NET and any(
        arm.evaluate.nets > 1 for arm in ablation.variants.values()
    ):
        raise BadInput(
            f"{where}: seeds: {ablation.seeds} is above {NEXT_NET}, for averages of nets"
        )


def check_averages(ablation: Ablation) -> None:
    """Nets that are averaged must be trained, and variants of one net cannot be tuned apart."""
    where, arms = ablation.file, ablation.variants
    for name, arm in arms.items():
        trained = [
            other for other in arms if arms[other].evaluate.nets == 1 and same_net(arm, arms[other])
        ]
        if not trained:
            nets = f"variant '{name}' averages {arm.evaluate.nets} nets"
            raise BadInput(f"{where}: {nets}: it needs one with evaluate.nets 1 that trains them")
        if trained[0] != name and (ablation.tune or ablation.tune_neighbours):
            same = f"variants '{trained[0]}' and '{name}' test the same nets"
            said = "there is nothing to tune" if ablation.tune else "tune_neighbours must be 0"
            raise BadInput(f"{where}: {same}: {said}")


def with_tuned(ablation: Ablation, tuned: dict[str, Overrides]) -> Ablation:
    """The ablation whose variants carry what tuning chose for them."""
    variants = {
        name: override(config, tuned.get(name, {}), f"tuned for '{name}'")
        for name, config in ablation.variants.items()
    }
    return replace(ablation, variants=variants, tuned=tuned)
