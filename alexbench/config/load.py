"""From a YAML file to a frozen Ablation: layers of dotted keys over the schema's defaults.

Layers, the later over the earlier: the profile file, the regime file, the ablation's ``config``,
the ablation's part for that profile, the variant, the variant in that part, ``--set``. Whatever is
wrong is one BadInput that names the file, the layer, the key, the value and what is allowed.
"""

import contextlib
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from alexbench.config import own_files, own_parts, references
from alexbench.config.ablation import Ablation, check
from alexbench.config.ablation_file import AblationFile, AblationPart, Claims, Grid, ProfilePart
from alexbench.config.names import (
    LONGEST_NAME,
    NAME,
    ablation_name,
    refuse,
    some,
    twice,
    unknown,
    wrong_name,
)
from alexbench.config.overrides import Layer, parse_settings, resolve
from alexbench.config.paths import shipped_folder
from alexbench.config.profiles import Scale, find_scale, load_regime, whole_name
from alexbench.config.schema import Config, Overrides
from alexbench.config.shipped import shipped_ablations
from alexbench.config.yaml_file import hint, read_yaml, validate
from alexbench.errors import BadInput, shown

SET_BY_HAND = "--set fixes it"  # why something is not tuned
MOST_CELLS = 1000  # of a matrix


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
    refuse([wrong_file_name(path, own.get(key_of(path), ""))])
    file, profile = validate(AblationFile, content, str(path)), scale.name
    own_part = part_for(file, profile, path)
    parts = (own_part, file, scale.part)  # the first that speaks decides
    fixed = own_parts.as_in_file(parse_settings(settings), content)
    overrides = variants_of(file, own_part, path, profile)
    tune, reason = tuning_of(parts, fixed)
    neighbours = 0 if "train.lr" in fixed else first_said(parts, "tune_neighbours") or 0
    ablation = Ablation(
        name=ablation_name(path),
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
    scale: Scale,
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
    name = ablation_name(path)
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
    wrong = [wrong_name(f"{path}: variant", variant) for variant in variants]
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
        refuse([wrong_name(f"{path}: claims", name)])
        try:
            references.define(own := f"{ablation_name(path)}:{name}", uses, file.title)
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
        return path, content, {key_of(path): text, **parts}
    try:
        path = find(name)
    except BadInput:
        path = Path(f"{ablation_name(name)}.yaml")
        key = key_of(path)
        if key not in files:
            raise
        content, parts = own_parts.pinned(read_yaml(path, files[key]), path, None, files)
        return path, content, {key: files[key], **parts}
    if path.parent == shipped_folder("ablations"):
        return path, read_yaml(path), {}
    content, parts = own_parts.pinned(read_yaml(path), path, path.parent, files)
    return path, content, {key_of(path): path.read_text("utf-8")} | parts


def key_of(path: Path) -> str:
    """The name that records carry an ablation's file by."""
    return own_files.ablation(ablation_name(path))


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


def part_for(file: AblationFile, profile: str, path: Path) -> AblationPart:
    """What the file says for a profile. Raises BadInput if it names one that does not exist.

    A profile with a regime other than its own has a part of its own, ``<profile>-<regime>``.
    """
    if file.tuned:
        raise BadInput(f"{path}: tuned belongs under profiles.<name>: it holds at one scale")
    for name in file.profiles:
        try:
            whole = whole_name(name)
        except BadInput as error:
            raise BadInput(f"{path}: profiles: {error}") from None
        if name != whole:
            raise BadInput(f"{path}: profiles: {name} is {whole}, by its own regime: name it so")
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
