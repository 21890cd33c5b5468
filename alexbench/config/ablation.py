"""From a YAML file to a frozen Ablation: layers of dotted keys over the schema's defaults.

Layers, the later over the earlier: the profile file, the regime file, the ablation's ``config``,
the ablation's part for that profile, the variant, the variant in that part, ``--set``. Whatever is
wrong is one BadInput that names the file, the layer, the key, the value and what is allowed.
"""

import contextlib
import functools
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from alexbench.config import metrics, own_files, own_parts, references
from alexbench.config.constraints import effective
from alexbench.config.overrides import Layer, override, parse_settings, resolve, same_net
from alexbench.config.paths import shipped_folder
from alexbench.config.schema import (
    AblationFile,
    AblationPart,
    Claims,
    ClaimUse,
    Config,
    Grid,
    Overrides,
    ProfileFile,
    ProfilePart,
    RegimePart,
)
from alexbench.config.shipped import PROFILES, REGIMES, shipped_ablations
from alexbench.config.yaml_file import hint, known_keys, read_yaml, together, validate
from alexbench.errors import BadInput, shown

SET_BY_HAND = "--set fixes it"  # why something is not tuned
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
LONGEST_NAME = 100  # of an ablation or a variant: files are called by both, a seed and an id
MOST_CELLS = 1000  # of a matrix


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
    finding: str | None = None  # two sentences on this profile's records
    labels: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    every_variant: tuple[str, ...] = ()  # of the file, in whatever profile
    files: Mapping[str, str] = field(default_factory=dict)  # name -> text of what is not shipped

    def finding_for(self, folder: str) -> str | None:
        """What the file says of the profile's records; nothing of runs with other settings."""
        return self.finding.strip() if self.finding and folder == self.profile else None

    def most_seeds(self, variant: str) -> int | None:
        """The limit that ``other_seeds`` sets to a variant that embodies no claim, or None."""
        claimed = {use.variant for uses in self.claims.values() for use in uses}
        claimed |= {str(use.baseline) for uses in self.claims.values() for use in uses}
        return None if variant in claimed or variant == self.baseline else self.other_seeds

    def seeds_of(self, variant: str) -> int:
        """How often a variant is trained."""
        return min(self.seeds, self.most_seeds(variant) or self.seeds)


def load_ablation(
    name: str | Mapping[str, Any],
    profile: str = "laptop",
    seeds: int | None = None,
    settings: Sequence[str] = (),
    files: Mapping[str, str] = MappingProxyType({}),
) -> Ablation:
    """Reads an ablation under a profile; raises BadInput.

    name: a path, a shipped name, or what a file would hold. profile: a shipped one, or the path of
    a file. seeds: runs of each variant, in place of the file's. settings: ``key=value`` over every
    layer. files: what records carry of own files, in place of those that are not found.
    """
    path, content, own = read_source(name, files)
    scale = find_scale(profile, files)
    refuse([wrong_file_name(path, own.get(own_files.ablation(path.stem), ""))])
    file, profile = validate(AblationFile, content, str(path)), scale.name
    own_part = part_for(file, profile, path)
    parts = (own_part, file, scale.part)  # the first that speaks decides
    fixed = own_parts.as_in_file(parse_settings(settings), content)
    overrides = variants_of(file, own_part, path, profile)
    tune, reason = tuning_of(parts, fixed)
    neighbours = first_said(parts, "tune_neighbours") or 0
    ablation = Ablation(
        name=path.stem,
        file=str(path),
        title=file.title,
        question=file.question,
        profile=profile,
        regime=scale.regime,
        claims=own_claims(file, own_part, path),
        baseline=own_part.baseline or file.baseline,
        metrics=(*file.metrics, *own_part.extra_metrics),
        seeds=seeds if seeds is not None else first_said(parts, "seeds") or 1,
        other_seeds=first_said(parts, "other_seeds"),
        variants=resolve_each(layers_of(overrides, scale, file, own_part, path, fixed)),
        tune=tune,
        tune_reason=reason,
        tune_seeds=first_said(parts, "tune_seeds") or (2 if neighbours else 1),
        tuned=but_for(fixed, own_part.tuned),
        tune_neighbours=neighbours,
        finding=own_part.finding,
        labels=file.labels,
        about=file.about,
        every_variant=every_variant(file, path),
        files={**own, **scale.files},
    )
    refuse_set_and_tuned(ablation, [*overrides.values(), *own_part.variants.values()])
    check(ablation)
    return ablation


def layers_of(
    overrides: Mapping[str, Overrides],
    scale: "Scale",
    file: AblationFile,
    part: AblationPart,
    path: Path,
    fixed: Overrides,
) -> dict[str, list[Layer]]:
    """The layers of each variant: profile, regime, file, its part, and the variant in both; --set.

    overrides: what the file says of each variant.
    """
    place = f"{path}: profiles.{scale.name}"
    shared = [
        Layer(scale.where, scale.part.config),
        Layer(f"ablations/regimes/{scale.regime}.yaml", load_regime(scale.regime).config),
        Layer(f"{path}: config", file.config),
        Layer(f"{place}.config", part.config),
    ]
    return {
        variant: [
            *shared,
            Layer(f"{path}: variant '{variant}'", values),
            Layer(f"{place}: variants.{variant}", part.variants.get(variant, {})),
            Layer("--set", fixed),
        ]
        for variant, values in overrides.items()
    }


def resolve_each(layers: Mapping[str, Sequence[Layer]]) -> dict[str, Config]:
    """The configuration of each variant; raises BadInput with what is wrong in any of them."""
    found, wrong = {}, []
    for variant, its in layers.items():
        try:
            found[variant] = resolve(its)
        except BadInput as error:
            wrong.append(str(error))
    refuse(wrong)
    return found


def wrong_file_name(path: Path, own: str) -> str:
    """What is wrong with an ablation's name, which its results have too; nothing where it is good.

    own: the text of a file that is not shipped. Under a shipped name its results would mix with
    the shipped ones.
    """
    name = path.stem
    if not name.isprintable() or len(name.encode(errors="replace")) > LONGEST_NAME:
        return (
            f"{path}: the name of the file is that of a folder of results: at most "
            f"{LONGEST_NAME} printable characters are allowed"
        )
    shipped = shipped_folder("ablations") / f"{name}.yaml"
    if own and shipped.is_file() and own != shipped.read_text(encoding="utf-8"):
        return (
            f"{path}: '{name}' is a shipped ablation, and the results of both would mix: give the "
            "file another name"
        )
    return ""


def but_for(fixed: Overrides, tuned: dict[str, Overrides]) -> dict[str, Overrides]:
    """What was tuned for each variant, without the keys that --set fixes."""
    return {
        variant: {key: value for key, value in chosen.items() if key not in fixed}
        for variant, chosen in tuned.items()
    }


def first_said(parts: Sequence[ProfilePart], key: str) -> int | None:
    """The number under a key in the first part that has one."""
    said = (getattr(part, key) for part in parts)
    return next((number for number in said if number is not None), None)


def every_variant(file: AblationFile, path: Path) -> tuple[str, ...]:
    """The names of the variants of a file, in whatever profile."""
    extra = (name for part in file.profiles.values() for name in part.extra_variants)
    return (*expand(file, path), *extra)


def variants_of(
    file: AblationFile, part: AblationPart, path: Path, profile: str
) -> dict[str, Overrides]:
    """The overrides of each variant under a profile; raises BadInput for names that are wrong."""
    listed, where = expand(file, path), f"{path}: profiles.{shown(profile)}"
    variants = listed | part.extra_variants
    wrong = [wrong_name(path, variant) for variant in variants]
    wrong += [
        f"{where}.extra_variants: '{name}' is a variant of the file already"
        for name in part.extra_variants
        if name in listed
    ]
    wrong += [
        f"{where}.variants: '{shown(name)}' is no variant{hint(name, variants)}; "
        f"allowed are {some(variants)}"
        for name in part.variants
        if name not in variants
    ]
    wrong += [unknown(f"{where}.only: variant", name, variants) for name in part.only]
    wrong += twice(f"{where}.only: variant", part.only)
    refuse(wrong)
    return {name: variants[name] for name in part.only or variants}


def wrong_name(path: Path, variant: str) -> str:
    """What is wrong with a variant's name; nothing where it can be that of a file."""
    if not NAME.fullmatch(variant):
        return (
            f"{path}: variant '{shown(variant)}': a name has letters, digits and _ . + - "
            "only, and begins with a letter or digit"
        )
    if len(variant) > LONGEST_NAME:
        return (
            f"{path}: variant '{shown(variant)}': a name has at most {LONGEST_NAME} characters, "
            f"this one has {len(variant)}"
        )
    return ""


def refuse(errors: Iterable[str]) -> None:
    """Raises BadInput for these errors, all in one line; empty ones do not count."""
    if said := [error for error in errors if error]:
        raise BadInput(together(said))


def twice(where: str, names: Sequence[str]) -> list[str]:
    """An error for each name that is given more than once. where: the file and the key."""
    return [
        f"{where} '{shown(name)}' is given twice"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def some(names: Iterable[str]) -> str:
    """Names in one line; the first ones where there are many."""
    every = list(names)
    more = [f"and {len(every) - 40} more"] if len(every) > 40 else []
    return ", ".join([*map(shown, every[:40]), *more])


def tuning_of(parts: Sequence[ProfilePart], fixed: Overrides) -> tuple[Grid | None, str | None]:
    """The grid to tune over, or None and why nothing is tuned. fixed: what --set sets."""
    part = next((part for part in parts if part.tune is not None), ProfilePart(tune="none"))
    if isinstance(part.tune, str) or not part.tune:
        return None, part.tune_reason if isinstance(part.tune, str) else None
    return (None, SET_BY_HAND) if set(part.tune) & set(fixed) else (part.tune, None)


def refuse_set_and_tuned(ablation: Ablation, variants: Iterable[Overrides]) -> None:
    """Raises BadInput for a key that a variant sets and that is tuned as well."""
    for key in ablation.tune or {}:
        if any(key in overrides for overrides in variants):
            raise BadInput(
                f"{ablation.file}: {key} is set by a variant and tuned under profile "
                f"{ablation.profile}: it can only be one of both; tune: none, with a tune_reason, "
                "ends the tuning"
            )


def with_baselines(claims: Claims, baseline: str) -> Claims:
    """The claims, each use with its own baseline or the ablation's."""
    return {
        claim: tuple(
            use if use.baseline else use.model_copy(update={"baseline": baseline}) for use in uses
        )
        for claim, uses in claims.items()
    }


def own_claims(file: AblationFile, part: AblationPart, path: Path) -> Claims:
    """The claims with their baselines, those that the file itself reports as ``<ablation>:<name>``.

    Raises BadInput.
    """
    claims = with_baselines(file.claims | part.claims, part.baseline or file.baseline)
    found: Claims = {}
    for name, uses in claims.items():
        if not any(use.reported for use in uses):
            found[name] = uses
            continue
        if name in references.load().claims:
            raise BadInput(f"{path}: claims.{name}: alexbench has that claim: name yours otherwise")
        try:
            references.define(own := f"{path.stem}:{name}", uses, file.title)
        except (ValidationError, ValueError) as error:
            said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise BadInput(f"{path}: claims.{name}: {said}") from None
        found[own] = uses
    return found


def read_source(
    name: str | Mapping[str, Any], files: Mapping[str, str]
) -> tuple[Path, dict[str, Any], dict[str, str]]:
    """The path of an ablation's file, what it holds, and name -> text of the files that are own."""
    if not isinstance(name, str):
        title = re.sub(r"[^a-z0-9]+", "_", str(name.get("title", "")).lower()).strip("_")
        path, text = Path(f"{title or 'ablation'}.yaml"), own_files.to_yaml(name)
        content, parts = own_parts.pinned(read_yaml(path, text), path, path.parent, files)
        return path, content, {own_files.ablation(path.stem): text, **parts}
    try:
        path = find(name)
    except BadInput:
        path = Path(f"{Path(name).stem}.yaml")
        key = own_files.ablation(path.stem)
        if key not in files:
            raise
        content, parts = own_parts.pinned(read_yaml(path, files[key]), path, None, files)
        return path, content, {key: files[key], **parts}
    if path.parent == shipped_folder("ablations"):
        return path, read_yaml(path), {}
    content, parts = own_parts.pinned(read_yaml(path), path, path.parent, files)
    return path, content, {own_files.ablation(path.stem): path.read_text("utf-8"), **parts}


def find(name: str) -> Path:
    """The file that a path or a bare shipped name means."""
    path = Path(name)
    with contextlib.suppress(OSError, ValueError):  # too long for the file system, or a NUL
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
        f"{shown(name)}: no such file, and no shipped ablation of that name"
        f"{hint(path.stem, known)}; shipped are {', '.join(known)}"
    )


@dataclass(frozen=True)
class Scale:
    """A profile: its name, its regime, what its file says, and its text if it is not shipped."""

    name: str
    regime: str
    part: ProfileFile
    where: str
    files: Mapping[str, str] = field(default_factory=dict)


def find_scale(profile: str, files: Mapping[str, str]) -> Scale:
    """A shipped profile by its name, or an own one by the path of its file; raises BadInput.

    files: as for ``load_ablation``.
    """
    path, carried = Path(profile), files.get(own_files.profile(profile))
    if path.suffix not in (".yaml", ".yml"):
        if carried is None:
            scale, regime = split_profile(profile)
            return Scale(profile, regime, load_profile(scale), f"ablations/profiles/{scale}.yaml")
        path = Path(f"{profile}.yaml")
    part = validate(ProfileFile, read_yaml(path, carried), str(path))
    own_parts.refuse(part.config, str(path))
    refuse([unknown(f"{path}: regime", part.regime, REGIMES)])
    if is_profile(path.stem) or not NAME.fullmatch(path.stem):
        raise BadInput(
            f"{path}: the name of an own profile's file has letters, digits and _ . + - only, and "
            "is none of the shipped"
        )
    text = path.read_text(encoding="utf-8") if carried is None else carried
    return Scale(path.stem, part.regime, part, str(path), {own_files.profile(path.stem): text})


def split_profile(profile: str) -> tuple[str, str]:
    """The profile and the regime of a name such as ``laptop`` or ``laptop-authors``.

    A profile alone has the regime that its file names. Raises BadInput.
    """
    if profile in PROFILES:
        return profile, load_profile(profile).regime
    scale, _, regime = profile.rpartition("-")
    if scale in PROFILES and regime in REGIMES:
        return scale, regime
    raise BadInput(
        f"unknown profile '{shown(profile)}'{hint(profile, PROFILES)}; allowed are "
        f"{', '.join(PROFILES)}, each also with -{' or -'.join(REGIMES)} behind it, and the path "
        "of a YAML file"
    )


def is_profile(name: str) -> bool:
    """Whether a folder's name is a profile, with or without a regime, and nothing more."""
    try:
        split_profile(name)
    except BadInput:
        return False
    return True


@functools.cache
def load_profile(profile: str) -> ProfileFile:
    """The settings of a profile from its file; raises BadInput for an unknown one."""
    path = shipped_folder("ablations") / "profiles" / f"{profile}.yaml"
    return validate(ProfileFile, read_yaml(path), str(path))


@functools.cache
def load_regime(regime: str) -> RegimePart:
    """The settings of a regime from its file; the paper's are the defaults and have none."""
    if regime == "paper":
        return RegimePart()
    path = shipped_folder("ablations") / "regimes" / f"{regime}.yaml"
    return validate(RegimePart, read_yaml(path), str(path))


def part_for(file: AblationFile, profile: str, path: Path) -> AblationPart:
    """What the file says for a profile. Raises BadInput if it names one that does not exist.

    A profile with a regime other than its own has a part of its own, ``<profile>-<regime>``.
    """
    if file.tuned:
        raise BadInput(f"{path}: tuned belongs under profiles.<name>: it holds at one scale")
    for name in file.profiles:
        try:
            split_profile(name)
        except BadInput as error:
            raise BadInput(f"{path}: profiles: {error}") from None
    return file.profiles.get(profile, AblationPart())


def expand(file: AblationFile, path: Path) -> dict[str, Overrides]:
    """The variants by name: as listed, or the cells of the matrix."""
    if bool(file.variants) == bool(file.matrix) or not all(file.matrix.values()):
        raise BadInput(f"{path}: give either variants or a matrix, and leave neither empty")
    if file.variants:
        return file.variants
    size = math.prod(map(len, file.matrix.values()))
    if size > MOST_CELLS:
        raise BadInput(f"{path}: matrix: has {size:,} cells, at most {MOST_CELLS:,} are allowed")
    variants: dict[str, Overrides] = {}
    for cell in itertools.product(*file.matrix.values()):
        name = "-".join(map(in_name, cell))
        if name in variants:
            raise BadInput(
                f"{path}: matrix: two cells have one name, '{shown(name)}': a value is "
                "given twice, or two values are written alike; give variants in place of the matrix"
            )
        variants[name] = dict(zip(file.matrix, cell, strict=True))
    return variants


def in_name(value: object) -> str:
    """A value of a matrix in the name of its cell: -1.0 is minus1.0, [8, 10] is 8+10.

    An own part is the name of its function.
    """
    if isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else value
        inner = "_" if isinstance(value, dict) else "+"
        if isinstance(value, tuple):
            inner = "_"
        texts = [in_name(tuple(item) if isinstance(item, list) else item) for item in items]
        return inner.join(texts) or "empty"
    text = own_parts.parse(str(value)).function if own_parts.is_own(value) else str(value)
    if isinstance(value, int | float) and text.startswith("-"):
        return f"minus{text[1:]}"
    return text


def unknown(where: str, name: str, allowed: Iterable[str]) -> str:
    """An error unless ``name`` is one of ``allowed``. where: the file and the key."""
    names = list(allowed)
    if name in names:
        return ""
    return f"{where} '{shown(name)}' is unknown{hint(name, names)}; allowed are {some(names)}"


def unknown_metric(where: str, name: str) -> str:
    """An error unless there is a metric of that name. where: the file and the key."""
    if name in metrics.METRICS:
        return ""
    levels = f"{metrics.LEVELS[0]}, {metrics.LEVELS[1]} to {metrics.LEVELS[-1]}"
    return (
        f"{where} '{shown(name)}' is unknown{hint(name, metrics.METRICS)}; allowed are "
        f"{', '.join(metrics.names())} with the levels {levels}"
    )


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
    for key, grid in (ablation.tune or {}).items():
        refuse([unknown(f"{where}: tune: key", key, known_keys())])
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


def check_arms(ablation: Ablation) -> None:
    """Checks labels, and that what is measured at several rates can be; raises BadInput."""
    where = ablation.file
    refuse(
        unknown(f"{where}: {key}: variant", variant, ablation.every_variant)
        for key, named in (("labels", ablation.labels), ("about", ablation.about))
        for variant in named
    )
    if not ablation.tune_neighbours:
        return
    if ablation.tune and ablation.tune_seeds < 2:
        raise BadInput(f"{where}: tune_seeds is 1: with tune_neighbours it must be 2 or more")
    if any(arm.evaluate.nets > 1 for arm in ablation.variants.values()):
        raise BadInput(f"{where}: tune_neighbours: averages of nets are measured at one rate")


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
