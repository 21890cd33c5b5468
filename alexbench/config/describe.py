"""What every setting of a run means and allows, and the JSON schema of ablation files."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from alexbench.config import own_parts
from alexbench.config.ablation import Ablation, with_tuned
from alexbench.config.ablation_file import AblationFile
from alexbench.config.schema import DEFAULTS, Config, differences

WIDTH = 100
SETTINGS = "Settings"  # the definition of "section.key: value" in the JSON schema


class Knob(NamedTuple):
    """A setting of a run: its key, the paper's value, what is allowed, and what it means."""

    key: str
    default: Any
    allowed: str
    description: str


def knobs() -> Iterator[Knob]:
    """Yields every setting of a run, in the order of the schema."""
    for key, schema in settings_schema().items():
        section, _, name = key.partition(".")
        yield Knob(key, DEFAULTS[section][name], allowed(schema), schema["description"])


def settings_schema() -> dict[str, dict[str, Any]]:
    """The JSON schema of each setting of a run, by its dotted key."""
    parts = Config.model_json_schema()["$defs"]
    return {
        f"{section}.{name}": {k: v for k, v in schema.items() if k != "title"}
        for section, field in Config.model_fields.items()
        for name, schema in parts[field.annotation.__name__]["properties"].items()  # type: ignore[union-attr]
    }


def allowed(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, in words."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(allowed(each) for each in schema["anyOf"])
    kind = schema.get("type")
    if "pattern" in schema:
        return f"{own_parts.FORM} of your own"
    if kind == "array":
        if "prefixItems" in schema:
            return f"a pair of two: {', and '.join(map(allowed, schema['prefixItems']))}"
        return f"a list, each {allowed(schema['items'])}"
    if kind == "object":
        return f"layer -> {allowed(schema['additionalProperties'])}"
    if kind in ("integer", "number"):
        return f"{'a whole number' if kind == 'integer' else 'a number'}{bounds(schema)}"
    return {"boolean": "true, false", "string": "text", "null": "null"}[str(kind)]


def bounds(schema: Mapping[str, Any]) -> str:
    """The limits of a number, in words: `` above 0, below 1``."""
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    said = [f"{word} {schema[key]:,}" for key, word in words.items() if key in schema]
    return " " + " ".join(said) if said else ""


def json_schema() -> dict[str, Any]:
    """The JSON schema of an ablation's file, for editors that complete and check YAML."""
    schema = AblationFile.model_json_schema()
    settings = settings_schema()
    schema["$defs"][SETTINGS] = {
        "type": "object",
        "properties": settings,
        "additionalProperties": False,
    }
    schema = with_settings(schema)
    schema["properties"]["matrix"]["propertyNames"] = {"enum": list(settings)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def with_settings(schema: Any) -> Any:
    """The schema with every object of anything replaced by the settings of a run."""
    if isinstance(schema, list):
        return [with_settings(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    of_anything = schema.get("additionalProperties", True) is True and "properties" not in schema
    if schema.get("type") == "object" and of_anything:
        kept = {key: schema[key] for key in ("description", "default") if key in schema}
        return kept | {"$ref": f"#/$defs/{SETTINGS}"}
    return {key: with_settings(value) for key, value in schema.items()}


def lines(ablation: Ablation, variant: str | None = None) -> Iterator[str]:
    """Yields what an ablation trains under its profile, and every setting with its meaning.

    First what differs from the defaults, of all variants or of the one that is named. Values that
    an earlier tuning chose are in place.
    """
    ablation = with_tuned(ablation, ablation.tuned)
    chosen = {variant: ablation.variants[variant]} if variant else ablation.variants
    changed = {name: flat(config) for name, config in chosen.items()}
    every = {name: flat(config, whole=True) for name, config in chosen.items()}
    first = next(iter(every.values()))
    shared = [key for key in first if all(arm[key] == first[key] for arm in every.values())]
    yield from told_of_profile(ablation)
    who = variant or "every variant"
    yield f"Settings of {who} that differ from the defaults, which are the paper's:"
    for key in shared:
        if any(key in arm for arm in changed.values()):
            section, _, name = key.partition(".")
            yield f"  {key} = {text(first[key])}  (default: {text(DEFAULTS[section][name])})"
    if not variant:
        yield "\nVariants:"
        for name, arm in every.items():
            own = [f"{key} = {text(arm[key])}" for key in arm if key not in shared]
            yield f"  {name}: {', '.join(own)}"
    yield f"\nEvery setting, with its value in {who}:"
    for knob in knobs():
        yield ""
        yield f"{knob.key} = {text(first[knob.key]) if knob.key in shared else '(by variant)'}"
        said = f"{knob.description} Allowed: {knob.allowed}. Default: {text(knob.default)}."
        yield from textwrap.wrap(said, WIDTH, initial_indent="    ", subsequent_indent="    ")


def told_of_profile(ablation: Ablation) -> Iterator[str]:
    """Yields the seeds, the metrics and the tuning of an ablation under its profile."""
    seeds = {ablation.seeds_of(variant) for variant in ablation.variants}
    number = " or ".join(map(str, sorted(seeds, reverse=True)))
    yield f"Under {ablation.profile} (regime {ablation.regime}): {number} seeds a variant."
    yield f"Metrics: {', '.join(ablation.metrics)}. Baseline: {ablation.baseline}."
    chosen = {key for values in ablation.tuned.values() for key in values}
    for key, values in (ablation.tune or {}).items():
        if key in chosen:
            yield f"{key} is the variant's best of {text(values)}, tuned earlier."
        else:
            yield f"{key} will be tuned: each variant gets its best of {text(values)}."
    if not ablation.tune and ablation.tune_reason:
        yield f"Nothing is tuned: {ablation.tune_reason.strip()}"
    yield ""


def flat(config: Config, whole: bool = False) -> dict[str, Any]:
    """``section.key`` -> value: of the whole configuration, or of what differs from the paper."""
    dumped = config.model_dump(mode="json")
    sections = dumped if whole else differences(dumped)
    return {
        f"{part}.{key}": value for part, keys in sections.items() for key, value in keys.items()
    }


def text(value: Any) -> str:
    """A value as YAML writes it on one line."""
    return value if isinstance(value, str) else json.dumps(value)
