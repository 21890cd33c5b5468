"""Strict reading of YAML: one line that says what is wrong, where, and what is allowed."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from alexbench.config.schema import Config
from alexbench.errors import BadInput

Schema = TypeVar("Schema", bound=BaseModel)
YAML_BOOL = "YAML reads a bare yes, no, on and off as true and false: put it in quotes"


def read_yaml(path: Path, text: str | None = None) -> dict[str, Any]:
    """The mapping in a YAML file, read safely; duplicate keys are an error, 1e-2 is a number.

    text: what the file would hold, for one that is not there; ``path`` then only names it.
    """
    try:
        loaded = OmegaConf.load(path) if text is None else OmegaConf.create(text)
        content = OmegaConf.to_container(loaded, resolve=True)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise BadInput(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except (OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    if not isinstance(content, dict) or not content:
        raise BadInput(f"{path}: expected a mapping of keys to values")
    reject_bool_keys(content, str(path))
    return {str(key): value for key, value in content.items()}


def reject_bool_keys(content: Mapping[Any, Any], where: str) -> None:
    """Raises BadInput for a key that is no text, at any depth."""
    for key, value in content.items():
        if not isinstance(key, str):
            note = f"; {YAML_BOOL}" if isinstance(key, bool) else ""
            raise BadInput(f"{where}: key {key!r} is not text{note}")
        if isinstance(value, dict):
            reject_bool_keys(value, where)


def validate(schema: type[Schema], content: dict[str, Any], where: str) -> Schema:
    """The content as that schema; the first thing that is wrong as one BadInput."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise BadInput(f"{where}: {describe(error, schema)}") from None


def describe(error: ValidationError, schema: type[BaseModel]) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("dict["))
    if first["type"] == "extra_forbidden":
        known = known_keys(schema) if "." in key and schema is Config else schema.model_fields
        return f"unknown key '{key}'{hint(key, known)}"
    if first["type"] == "missing":
        return f"key '{key}' is missing"
    value = first["input"]
    allowed = first["msg"].removeprefix("Input should be ")
    note = f" ({YAML_BOOL})" if isinstance(value, bool) else ""
    return f"{key}: {value!r} is not allowed, it should be {allowed}{note}"


def known_keys(schema: type[BaseModel] = Config) -> list[str]:
    """The dotted keys of a schema of sections."""
    return [
        f"{section}.{key}"
        for section, field in schema.model_fields.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    ]


def hint(word: str, known: Iterable[str]) -> str:
    """``, did you mean ...?``, or nothing where no allowed name is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
