"""Merging layers of ``section.key: value`` over the schema's defaults; later layers win."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from alexbench.config import constraints, placement
from alexbench.config.schema import Config, Overrides
from alexbench.config.yaml_file import described, hint, known_keys, parse, together
from alexbench.errors import BadInput, shown


class Layer(NamedTuple):
    """Settings from one place."""

    where: str  # for messages: the file and the part of it
    values: Overrides


def resolve(layers: Sequence[Layer]) -> Config:
    """The defaults with the layers over them; later layers win. Raises BadInput."""
    known = known_keys()
    merged: Overrides = {}
    unknown = []
    for where, values in layers:
        for key in values:
            if key not in known:
                unknown.append(f"{where}: unknown key '{shown(key)}'{hint(key, known)}")
        merged |= values
    if unknown:
        raise BadInput(together(unknown))
    nested: dict[str, dict[str, Any]] = {}
    for key, value in merged.items():
        section, _, field = key.partition(".")
        nested.setdefault(section, {})[field] = value
    try:
        config = Config.model_validate(nested)
    except ValidationError as error:
        said = []
        for each in error.errors(include_url=False):
            wrong = ".".join(str(part) for part in each["loc"][:2])
            where = last_that(layers, lambda key, wrong=wrong: key == wrong)  # type: ignore[misc]
            said.append(f"{where}: {described(each, Config)}")
        raise BadInput(together(said)) from None
    said = [
        f"{last_that(layers, lambda key, section=section: key.startswith(section))}: {reason}"  # type: ignore[misc]
        for section, reason in contradictions(config)
    ]
    if said:
        raise BadInput(together(said))
    return config


def contradictions(config: Config) -> Iterator[tuple[str, str]]:
    """Settings that contradict each other: the key to look for, and one line about it."""
    side, free = config.augment.crop_size, config.data.image_size + 2 * config.augment.padding
    if reason := constraints.unsupported(config.model):
        yield "model.", reason
    if reason := constraints.too_small(config.model, side):
        yield "augment.", reason
    if reason := constraints.beyond_own_parts(config):
        yield reason.partition(" ")[0], reason
        return
    known = constraints.layer_names(config.model)
    for key in constraints.PER_LAYER:
        for layer in getattr(config.train, key):
            if layer not in known:
                names = f"{hint(layer, known)}; it has {', '.join(known)}"
                yield f"train.{key}", f"train.{key}: {config.model.name} has no '{layer}'{names}"
    if side > free:
        most = "data.image_size + 2 * augment.padding"
        yield "augment.", f"augment.crop_size is {side}, at most {most} = {free} is allowed"
    if config.augment.padding > config.data.image_size:
        yield (
            "augment.padding",
            f"augment.padding is {config.augment.padding}, at most data.image_size = "
            f"{config.data.image_size} is allowed",
        )
    if reason := placement.misplaced(config):
        yield "train.", reason
    if config.train.stop_at_target and config.train.target_train_error is None:
        yield "train.stop_at_target", "train.stop_at_target needs a train.target_train_error"
    clean = config.train.target_pass == "clean"
    if config.train.stop_at_target and clean and config.evaluate.train_images == 0:
        yield (
            "evaluate.train_images",
            "evaluate.train_images is 0, but train.stop_at_target needs the training error: allow "
            "some, or null for all, or choose train.target_pass: running",
        )
    default = type(config.train).model_fields["momentum"].default
    if config.train.optimizer == "adam" and config.train.momentum != default:
        yield (
            "train.momentum",
            f"train.momentum is for sgd, and adam has none: leave it at {default}",
        )


def last_that(layers: Sequence[Layer], sets: Callable[[str], bool]) -> str:
    """The place of the last layer that sets a key for which ``sets`` is true."""
    found = (layer.where for layer in reversed(layers) if any(map(sets, layer.values)))
    return next(found, layers[0].where)


def override(config: Config, values: Overrides, where: str) -> Config:
    """The configuration with ``section.key`` settings changed; raises BadInput."""
    flat = {
        f"{section}.{key}": value
        for section, keys in config.model_dump().items()
        for key, value in keys.items()
    }
    return resolve([Layer("the resolved configuration", flat), Layer(where, values)])


def same_net(first: Config, second: Config) -> bool:
    """Whether two configurations train the same net; its final test may differ."""
    tested = {"views": "centre", "nets": 1}
    configs = [
        config.model_copy(update={"evaluate": config.evaluate.model_copy(update=tested)})
        for config in (first, second)
    ]
    return constraints.effective(configs[0]) == constraints.effective(configs[1])


def parse_settings(settings: Sequence[str]) -> Overrides:
    """``key=value`` texts as settings, each key once; values are read as YAML. Raises BadInput."""
    known, found = known_keys(), dict[str, Any]()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in known:
            raise BadInput(
                f"--set {shown(setting)}: expected key=value with a known key{hint(key, known)}"
            )
        if key in found:
            raise BadInput(f"--set {shown(setting)}: {key} is set twice")
        found[key] = parse(value, f"--set {key}")
    return found
