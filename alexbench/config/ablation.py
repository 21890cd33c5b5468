"""From a YAML file to a frozen Ablation: layers of dotted keys over the schema's defaults.

Layers, the later over the earlier: the profile file, the ablation's ``config``, the ablation's part
for that profile, the variant, the variant in that part, ``--set``. Whatever is wrong is one
BadInput that names the file, the layer, the key, the value and what is allowed.
"""

import contextlib
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alexbench.config import metrics, references
from alexbench.config.constraints import effective
from alexbench.config.overrides import Layer, override, parse_settings, resolve, same_net
from alexbench.config.paths import shipped_folder
from alexbench.config.schema import (
    AblationFile,
    AblationPart,
    ClaimUse,
    Config,
    Grid,
    Overrides,
    ProfilePart,
)
from alexbench.config.yaml_file import hint, known_keys, read_yaml, validate
from alexbench.errors import BadInput

PROFILES = ("laptop", "cifar10-short", "cifar10", "imagenet")
SET_BY_HAND = "--set fixes it"  # why something is not tuned
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


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

    def most_seeds(self, variant: str) -> int | None:
        """The limit that ``other_seeds`` sets to a variant that embodies no claim, or None."""
        claimed = {use.variant for uses in self.claims.values() for use in uses}
        claimed |= {str(use.baseline) for uses in self.claims.values() for use in uses}
        return None if variant in claimed or variant == self.baseline else self.other_seeds

    def seeds_of(self, variant: str) -> int:
        """How often a variant is trained."""
        return min(self.seeds, self.most_seeds(variant) or self.seeds)


def shipped_ablations() -> list[str]:
    """Names of the shipped ablations."""
    return sorted(path.stem for path in shipped_folder("ablations").glob("*.yaml"))


def load_ablation(
    name: str,
    profile: str = "laptop",
    seeds: int | None = None,
    settings: Sequence[str] = (),
) -> Ablation:
    """Read an ablation by path or shipped name, under a profile.

    seeds: runs of each variant, in place of the file's. settings: ``key=value`` over every layer.
    Raises BadInput.
    """
    path = find(name)
    file = validate(AblationFile, read_yaml(path), str(path))
    profile_part = load_profile(profile)
    own_part, part = part_for(file, profile, path), f"{path}: profiles.{profile}"
    if file.tuned:
        raise BadInput(f"{path}: tuned belongs under profiles.<name>: it holds at one scale")
    variants = expand(file, path) | own_part.extra_variants
    claims = file.claims | own_part.claims
    for variant in variants:
        if not NAME.fullmatch(variant):
            raise BadInput(
                f"{path}: variant '{variant}': a name has letters, digits and _ . + - only"
            )
    for name in own_part.variants:
        if name not in variants:
            raise BadInput(
                f"{part}.variants: '{name}' is no variant{hint(name, variants)}; "
                f"allowed are {', '.join(variants)}"
            )
    layers = [
        Layer(f"ablations/profiles/{profile}.yaml", profile_part.config),
        Layer(f"{path}: config", file.config),
        Layer(f"{part}.config", own_part.config),
    ]
    fixed = parse_settings(settings)
    parts = (own_part, file, profile_part)  # the first that speaks decides
    tune = next((part for part in parts if part.tune is not None), ProfilePart(tune="none"))
    grid, reason = ({}, tune.tune_reason) if isinstance(tune.tune, str) else (tune.tune, None)
    if set(grid or {}) & set(fixed):
        grid, reason = {}, SET_BY_HAND
    ablation = Ablation(
        name=path.stem,
        file=str(path),
        title=file.title,
        question=file.question,
        profile=profile,
        claims={claim: with_baseline(uses, file.baseline) for claim, uses in claims.items()},
        baseline=file.baseline,
        metrics=file.metrics,
        seeds=seeds if seeds is not None else next((p.seeds for p in parts if p.seeds), 1),
        other_seeds=next((part.other_seeds for part in parts if part.other_seeds), None),
        variants={
            variant: resolve(
                [
                    *layers,
                    Layer(f"{path}: variant '{variant}'", values),
                    Layer(f"{part}: variants.{variant}", own_part.variants.get(variant, {})),
                    Layer("--set", fixed),
                ]
            )
            for variant, values in variants.items()
        },
        tune=grid or None,
        tune_reason=reason,
        tune_seeds=next((part.tune_seeds for part in parts if part.tune_seeds), 1),
        tuned={
            variant: {key: value for key, value in chosen.items() if key not in fixed}
            for variant, chosen in own_part.tuned.items()
        },
    )
    for key in {key for part in (variants, own_part.variants) for key in keys_of(part)}:
        if key in (ablation.tune or {}):
            raise BadInput(
                f"{path}: {key} is set by a variant and tuned under profile {profile}: it can only "
                "be one of both; tune: none, with a tune_reason, ends the tuning"
            )
    check(ablation)
    return ablation


def keys_of(variants: Mapping[str, Overrides]) -> set[str]:
    return {key for values in variants.values() for key in values}


def with_baseline(uses: Iterable[ClaimUse], baseline: str) -> tuple[ClaimUse, ...]:
    return tuple(
        use if use.baseline else use.model_copy(update={"baseline": baseline}) for use in uses
    )


def find(name: str) -> Path:
    """The file that a path or a bare shipped name means."""
    path = Path(name)
    with contextlib.suppress(OSError):  # a name too long for the file system
        if path.is_file():
            return path
    by_name = shipped_folder("ablations") / f"{name}.yaml"
    if NAME.fullmatch(name) and by_name.is_file():
        return by_name
    same_name = shipped_folder("ablations") / path.name
    if path.parts[:1] == ("ablations",) and len(path.parts) == 2 and same_name.is_file():
        return same_name  # ablations/lrn.yaml means the shipped one where there is no such folder
    known = shipped_ablations()
    raise BadInput(
        f"{name}: no such file, and no shipped ablation of that name{hint(path.stem, known)}; "
        f"shipped are {', '.join(known)}"
    )


def load_profile(profile: str) -> ProfilePart:
    if profile not in PROFILES:
        raise BadInput(
            f"unknown profile '{profile}'{hint(profile, PROFILES)}; "
            f"allowed are {', '.join(PROFILES)}"
        )
    path = shipped_folder("ablations") / "profiles" / f"{profile}.yaml"
    return validate(ProfilePart, read_yaml(path), str(path))


def part_for(file: AblationFile, profile: str, path: Path) -> AblationPart:
    for name in file.profiles:
        if name not in PROFILES:
            raise BadInput(
                f"{path}: profiles: unknown profile '{name}'{hint(name, PROFILES)}; "
                f"allowed are {', '.join(PROFILES)}"
            )
    return file.profiles.get(profile, AblationPart())


def expand(file: AblationFile, path: Path) -> dict[str, Overrides]:
    """The variants by name: as listed, or the cells of the matrix."""
    if bool(file.variants) == bool(file.matrix) or not all(file.matrix.values()):
        raise BadInput(f"{path}: give either variants or a matrix, and leave neither empty")
    cells = itertools.product(*file.matrix.values()) if file.matrix else ()
    variants = file.variants or {
        "-".join(str(value) for value in cell): dict(zip(file.matrix, cell, strict=True))
        for cell in cells
    }
    if file.matrix and len(variants) < math.prod(map(len, file.matrix.values())):
        raise BadInput(f"{path}: matrix: two cells have one name: is a value given twice?")
    return variants


def check(ablation: Ablation) -> None:
    """What only the whole can show: names that must exist, arms that must differ."""
    names, where = list(ablation.variants), ablation.file

    def known(what: str, name: str, allowed: Iterable[str]) -> None:
        if name not in allowed:
            listed = ", ".join(allowed)
            raise BadInput(
                f"{where}: {what} '{name}' is unknown{hint(name, allowed)}; allowed are {listed}"
            )

    if len(names) < 2:
        raise BadInput(f"{where}: a comparison needs two variants or more")
    known("baseline", ablation.baseline, names)

    def known_metric(what: str, name: str) -> None:
        if name not in metrics.METRICS:
            raise BadInput(
                f"{where}: {what} '{name}' is unknown{hint(name, metrics.METRICS)}; allowed are "
                f"{', '.join(metrics.names())} with levels {metrics.LEVELS[0]}, "
                f"{metrics.LEVELS[1]} to {metrics.LEVELS[-1]}"
            )

    for metric in ablation.metrics:
        known_metric("metric", metric)
    for claim, uses in ablation.claims.items():
        known("claim", claim, references.claim_ids())
        for use in uses:
            known(f"claims.{claim}: variant", use.variant, names)
            known(f"claims.{claim}: baseline", str(use.baseline), names)
            known_metric(f"claims.{claim}: metric", use.metric or "test_error")
            if use.variant == use.baseline:
                raise BadInput(f"{where}: claims.{claim}: '{use.variant}' is its own baseline")
    for variant, values in ablation.tuned.items():
        tuned = f"profiles.{ablation.profile}.tuned"
        known(f"{tuned}: variant", variant, names)
        override(ablation.variants[variant], values, f"{where}: {tuned}.{variant}")
    for key, grid in (ablation.tune or {}).items():
        known("tune: key", key, known_keys())
        if len(set(grid)) < len(grid):
            raise BadInput(f"{where}: tune.{key}: a value is given twice")
        if not metrics.METRICS[ablation.metrics[0]].tunes:
            allowed = ", ".join(name for name, each in metrics.METRICS.items() if each.tunes)
            raise BadInput(
                f"{where}: tuning takes the lowest of the first metric, and {ablation.metrics[0]} "
                f"is not to be minimised; put one of these first: {allowed}"
            )
        for value, arm in itertools.product(grid, ablation.variants.values()):
            override(arm, {key: value}, f"{where}: tune")
    if not ablation.tune and not ablation.tune_reason:
        raise BadInput(f"{where}: no tune: give a grid, or tune: none with a tune_reason")
    for first, second in itertools.combinations(names, 2):
        if effective(ablation.variants[first]) == effective(ablation.variants[second]):
            raise BadInput(
                f"{where}: variants '{first}' and '{second}' are equal: nothing to compare"
            )
    check_averages(ablation)


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
        if ablation.tune and trained[0] != name:
            same = f"variants '{trained[0]}' and '{name}' test the same nets"
            raise BadInput(f"{where}: {same}: there is nothing to tune")


def with_tuned(ablation: Ablation, tuned: dict[str, Overrides]) -> Ablation:
    """The ablation whose variants carry what tuning chose for them."""
    variants = {
        name: override(config, tuned.get(name, {}), f"tuned for '{name}'")
        for name, config in ablation.variants.items()
    }
    return replace(ablation, variants=variants, tuned=tuned)
