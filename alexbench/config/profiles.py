"""Profiles and regimes: the shipped ones by name, an own profile by the path of its file."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alexbench.config import own_files, own_parts
from alexbench.config.ablation_file import ProfileFile, RegimePart
from alexbench.config.names import NAME, YAML, refuse, unknown
from alexbench.config.paths import shipped_folder
from alexbench.config.shipped import PROFILES, REGIMES
from alexbench.config.yaml_file import hint, read_yaml, validate
from alexbench.errors import BadInput, shown


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
    if path.suffix not in YAML:
        if carried is None:
            scale, regime = split_profile(profile)
            return Scale(
                whole_name(profile), regime, load_profile(scale), f"ablations/profiles/{scale}.yaml"
            )
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


def whole_name(profile: str) -> str:
    """The name of a profile's results: without a regime that is its own. Raises BadInput."""
    scale, regime = split_profile(profile)
    return scale if regime == load_profile(scale).regime else profile


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
