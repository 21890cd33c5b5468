"""From a YAML file to a frozen Ablation: layers of dotted keys over the schema's defaults.

Layers, the later over the earlier: the profile file, the ablation's ``config``, the ablation's part
for that profile, the variant, ``--set``. Whatever is wrong is one BadInput that names the file, the
layer, the key, the value and what is allowed.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from alexbench import knobs, metrics, references
from alexbench.errors import BadInput
from alexbench.schema import AblationFile, ClaimUse, Config, Grid, Overrides, ProfilePart
from alexbench.strict_yaml import describe, first_line, hint, known_keys, read_yaml, validate

PROFILES = ("laptop", "cifar10-short", "cifar10", "imagenet")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


class Layer(NamedTuple):
    where: str  # for messages: the file and the part of it
    values: Overrides


@dataclass(frozen=True)
class Ablation:
    """One question under one profile, ready to be planned."""

    name: str
    file: str
    title: str
    question: str
    profile: str
    claims: dict[str, tuple[ClaimUse, ...]]
    baseline: str
    metrics: tuple[str, ...]
    seeds: int
    variants: dict[str, Config]
    tune: Grid | None
    tune_reason: str | None
    tune_seeds: int
    tuned: dict[str, Overrides]  # variant -> what tuning chose for it earlier


def shipped_folder() -> Path:
    """The ablations that come with alexbench: inside the wheel, or beside the package."""
    package = Path(__file__).parent
    inside = package / "ablations"
    return inside if inside.is_dir() else package.parent / "ablations"


def shipped() -> list[str]:
    """Names of the shipped ablations."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def load(
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
    own_part = part_for(file, profile, path)
    for part in (profile_part, file, own_part):
        if part.tune == "none" and not part.tune_reason:
            raise BadInput(f"{path}: tune: none needs a tune_reason: why one rate suits every arm")
    variants = expand(file, path)
    layers = [
        Layer(f"ablations/profiles/{profile}.yaml", profile_part.config),
        Layer(f"{path}: config", file.config),
        Layer(f"{path}: profiles.{profile}.config", own_part.config),
    ]
    fixed = parse_settings(settings)
    parts = (own_part, file, profile_part)  # the first that speaks decides
    tune = next((part.tune for part in parts if part.tune is not None), "none")
    grid = {} if isinstance(tune, str) else {k: v for k, v in tune.items() if k not in fixed}
    ablation = Ablation(
        name=path.stem,
        file=str(path),
        title=file.title,
        question=file.question,
        profile=profile,
        claims={claim: with_baseline(uses, file.baseline) for claim, uses in file.claims.items()},
        baseline=file.baseline,
        metrics=file.metrics,
        seeds=seeds if seeds is not None else next((p.seeds for p in parts if p.seeds), 1),
        variants={
            variant: resolve(
                [*layers, Layer(f"{path}: variant '{variant}'", values), Layer("--set", fixed)]
            )
            for variant, values in variants.items()
        },
        tune=grid or None,
        tune_reason=next((part.tune_reason for part in parts if part.tune_reason), None),
        tune_seeds=next((part.tune_seeds for part in parts if part.tune_seeds), 1),
        tuned={
            variant: {key: value for key, value in chosen.items() if key not in fixed}
            for variant, chosen in own_part.tuned.items()
        },
    )
    check(ablation)
    return ablation


def with_baseline(uses: Iterable[ClaimUse], baseline: str) -> tuple[ClaimUse, ...]:
    return tuple(
        use if use.baseline else use.model_copy(update={"baseline": baseline}) for use in uses
    )


def find(name: str) -> Path:
    """The file that a path or a bare shipped name means."""
    path = Path(name)
    if path.is_file():
        return path
    by_name = shipped_folder() / f"{name}.yaml"
    if NAME.fullmatch(name) and by_name.is_file():
        return by_name
    same_name = shipped_folder() / path.name
    if path.parts[:1] == ("ablations",) and len(path.parts) == 2 and same_name.is_file():
        return same_name  # ablations/lrn.yaml means the shipped one where there is no such folder
    raise BadInput(
        f"{name}: no such file, and no shipped ablation of that name{hint(path.stem, shipped())}; "
        f"shipped are {', '.join(shipped())}"
    )


def load_profile(profile: str) -> ProfilePart:
    if profile not in PROFILES:
        raise BadInput(
            f"unknown profile '{profile}'{hint(profile, PROFILES)}; "
            f"allowed are {', '.join(PROFILES)}"
        )
    path = shipped_folder() / "profiles" / f"{profile}.yaml"
    return validate(ProfilePart, read_yaml(path), str(path))


def part_for(file: AblationFile, profile: str, path: Path) -> ProfilePart:
    for name in file.profiles:
        if name not in PROFILES:
            raise BadInput(
                f"{path}: profiles: unknown profile '{name}'{hint(name, PROFILES)}; "
                f"allowed are {', '.join(PROFILES)}"
            )
    return file.profiles.get(profile, ProfilePart())


def parse_settings(settings: Sequence[str]) -> Overrides:
    """``key=value`` texts as dotted keys; values are read as YAML."""
    for setting in settings:
        key, equals, _ = setting.partition("=")
        if not equals or key not in known_keys():
            raise BadInput(
                f"--set {setting}: expected key=value with a known key{hint(key, known_keys())}"
            )
    try:
        content: Any = OmegaConf.to_container(OmegaConf.from_dotlist(list(settings)))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise BadInput(f"--set {' '.join(settings)}: not valid YAML: {first_line(error)}") from None
    return {
        f"{section}.{key}": value
        for section, keys in content.items()
        for key, value in keys.items()
    }


def expand(file: AblationFile, path: Path) -> dict[str, Overrides]:
    """The variants by name: as listed, or the cells of the matrix."""
    if bool(file.variants) == bool(file.matrix) or not all(file.matrix.values()):
        raise BadInput(f"{path}: give either variants or a matrix, and leave neither empty")
    cells = itertools.product(*file.matrix.values()) if file.matrix else ()
    variants = file.variants or {
        "-".join(str(value) for value in cell): dict(zip(file.matrix, cell, strict=True))
        for cell in cells
    }
    for name in variants:
        if not NAME.fullmatch(name):
            raise BadInput(f"{path}: variant '{name}': a name has letters, digits and _ . + - only")
    return variants


def resolve(layers: Sequence[Layer]) -> Config:
    """The layers over the defaults, the later over the earlier."""
    known = known_keys()
    merged: Overrides = {}
    for where, values in layers:
        for key in values:
            if key not in known:
                raise BadInput(f"{where}: unknown key '{key}'{hint(key, known)}")
        merged |= values
    nested: dict[str, dict[str, Any]] = {}
    for key, value in merged.items():
        section, _, field = key.partition(".")
        nested.setdefault(section, {})[field] = value
    try:
        config = Config.model_validate(nested)
    except ValidationError as error:
        wrong = ".".join(str(part) for part in error.errors()[0]["loc"][:2])
        where = last_that(layers, lambda key: key == wrong)
        raise BadInput(f"{where}: {describe(error, Config)}") from None
    reason = knobs.unsupported(config.model) or knobs.too_small(
        config.model, config.augment.crop_size
    )
    if reason:
        where = last_that(layers, lambda key: key.startswith("model."))
        raise BadInput(f"{where}: {reason}")
    return config


def last_that(layers: Sequence[Layer], sets: Callable[[str], bool]) -> str:
    """Where the last layer is that sets such a key: the place to look at."""
    return next(layer.where for layer in reversed(layers) if any(map(sets, layer.values)))


def override(config: Config, values: Overrides, where: str) -> Config:
    """The configuration with dotted keys changed, checked again."""
    flat = {
        f"{section}.{key}": value
        for section, keys in config.model_dump().items()
        for key, value in keys.items()
    }
    return resolve([Layer("the resolved configuration", flat), Layer(where, values)])


def check(ablation: Ablation) -> None:
    """What only the whole can show: names that must exist, arms that must differ."""
    names, where = list(ablation.variants), ablation.file

    def known(what: str, name: str, allowed: Iterable[str]) -> None:
        if name not in allowed:
            listed = ", ".join(allowed)
            raise BadInput(
                f"{where}: {what} '{name}' is unknown{hint(name, allowed)}; allowed are {listed}"
            )

    known("baseline", ablation.baseline, names)
    for metric in ablation.metrics:
        known("metric", metric, metrics.names())
    for claim, uses in ablation.claims.items():
        known("claim", claim, references.claim_ids())
        for use in uses:
            known(f"claims.{claim}: variant", use.variant, names)
            known(f"claims.{claim}: baseline", str(use.baseline), names)
    for variant in ablation.tuned:
        known(f"profiles.{ablation.profile}.tuned: variant", variant, names)
    for key in ablation.tune or {}:
        known("tune: key", key, known_keys())
    for first, second in itertools.combinations(names, 2):
        if in_force(ablation.variants[first]) == in_force(ablation.variants[second]):
            raise BadInput(
                f"{where}: variants '{first}' and '{second}' are equal: nothing to compare"
            )


def in_force(config: Config) -> Config:
    """The configuration without the knobs that do nothing in it."""
    return config.model_copy(update={"model": knobs.in_force(config.model)})


def with_tuned(ablation: Ablation, tuned: dict[str, Overrides]) -> Ablation:
    """The ablation whose variants carry what tuning chose for them."""
    variants = {
        name: override(config, tuned.get(name, {}), f"tuned for '{name}'")
        for name, config in ablation.variants.items()
    }
    return replace(ablation, variants=variants, tuned=tuned)
