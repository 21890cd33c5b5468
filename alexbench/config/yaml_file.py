"""Strict reading of YAML 1.2: one line that says what is wrong, where, and what is allowed."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from alexbench.config.schema import Config
from alexbench.errors import BadInput, first_line, shown

Schema = TypeVar("Schema", bound=BaseModel)
MOST_BYTES = 200_000  # of a file
MOST_VALUES, MOST_LEVELS = 20_000, 20  # of its content, anchors followed
MOST_DIGITS = 40  # of a number
MOST_ERRORS = 5  # that one line tells
LONGEST_NAME = 100  # for which a near name is looked for
TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2, each key once, and no tags beyond them."""

    yaml_implicit_resolvers = {}  # noqa: RUF012
    yaml_constructors = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; a key that is given twice, or that is no scalar, is an error."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a list or a mapping", key.start_mark
                )
            if key.value in seen and key.tag != f"{TAG}merge":
                problem = f"found duplicate key {shown(key.value)}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def truth(self, node: yaml.ScalarNode) -> bool:
        """True or false."""
        if not BOOL.fullmatch(str(node.value)):
            problem = f"{shown(node.value)} is neither true nor false"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return str(node.value).lower() == "true"

    def number(self, node: yaml.ScalarNode) -> int | float:
        """A number of YAML 1.2: 010 is ten, 0o10 is eight, 1:30 and 1_000 are texts."""
        text = str(node.value)
        kind = float if node.tag == f"{TAG}float" else int
        if not any(each.fullmatch(text) for each in (INT, FLOAT)):
            problem = f"{shown(text)} is no number"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        if len(text) > MOST_DIGITS:
            problem = f"a number has {len(text)} characters, at most {MOST_DIGITS} are allowed"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        if kind is int:
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return int(text, base)
        return float(text.replace(".inf", "inf").replace(".nan", "nan").replace(".Inf", "inf"))


NULL = re.compile(r"~|null|Null|NULL|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf)|\.(?:nan|NaN)"
)
for _name, _pattern in (
    ("null", NULL),
    ("bool", BOOL),
    ("int", INT),
    ("float", FLOAT),
    ("merge", re.compile("<<")),
):
    _Loader.add_implicit_resolver(f"{TAG}{_name}", re.compile(rf"(?:{_pattern.pattern})$"), None)
_CONSTRUCTORS: dict[str | None, Any] = {
    f"{TAG}null": _Loader.construct_yaml_null,
    f"{TAG}bool": _Loader.truth,
    f"{TAG}int": _Loader.number,
    f"{TAG}float": _Loader.number,
    f"{TAG}str": _Loader.construct_yaml_str,
    f"{TAG}seq": _Loader.construct_yaml_seq,
    f"{TAG}map": _Loader.construct_yaml_map,
    None: _Loader.construct_undefined,
}
for _tag, _construct in _CONSTRUCTORS.items():
    _Loader.add_constructor(_tag, _construct)


def parse(text: str, where: str) -> Any:
    """The content of YAML text; raises BadInput. where: the file or option, for the error."""
    try:
        content = yaml.load(text, _Loader)
        bounded(content)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = shown(error.problem or "cannot be parsed")
        raise BadInput(f"{where}:{line}: not valid YAML: {problem}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BadInput(f"{where}: not valid YAML: {first_line(error)}") from None
    except RecursionError:
        raise BadInput(f"{where}: is nested more than {MOST_LEVELS} levels deep") from None
    return content


def bounded(content: Any) -> None:
    """Raises ValueError for content that is too large or too deep once anchors are followed."""
    left, values = [(content, 0)], 0
    while left:
        value, level = left.pop()
        values += 1
        if level > MOST_LEVELS:
            raise ValueError(f"is nested more than {MOST_LEVELS} levels deep")
        if values + len(left) > MOST_VALUES:
            raise ValueError(f"has more than {MOST_VALUES:,} values")
        if isinstance(value, dict | list):
            inner = value.values() if isinstance(value, dict) else value
            left += [(each, level + 1) for each in inner]


def read_yaml(path: Path, text: str | None = None) -> dict[str, Any]:
    """The mapping in a YAML file, read safely; duplicate keys are an error, 1e-2 is a number.

    text: what the file would hold, for one that is not there; ``path`` then only names it.
    """
    try:
        if text is None:
            if not path.is_file():
                raise BadInput(f"{path}: is no file")
            if path.stat().st_size > MOST_BYTES:
                raise BadInput(f"{path}: has more than {MOST_BYTES:,} bytes")
            text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    content = parse(text, str(path))
    if not isinstance(content, dict) or not content:
        raise BadInput(f"{path}: expected a mapping of keys to values")
    reject_other_keys(content, str(path))
    return content


def reject_other_keys(content: Mapping[Any, Any] | list[Any], where: str) -> None:
    """Raises BadInput for a key that is no text, at any depth."""
    if isinstance(content, Mapping):
        for key in content:
            if not isinstance(key, str):
                raise BadInput(f"{where}: key {shown(key)} is not text: put it in quotes")
    for value in content.values() if isinstance(content, Mapping) else content:
        if isinstance(value, dict | list):
            reject_other_keys(value, where)


def validate(schema: type[Schema], content: dict[str, Any], where: str) -> Schema:
    """The content as that schema; everything that is wrong as one BadInput."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise BadInput(f"{where}: {together(descriptions(error, schema))}") from None


def together(errors: Iterable[str]) -> str:
    """Several errors in one line, each once; the first ones where there are many."""
    every = list(dict.fromkeys(errors))
    more = [f"and {len(every) - MOST_ERRORS} more"] if len(every) > MOST_ERRORS else []
    return "; ".join([*every[:MOST_ERRORS], *more])


def descriptions(error: ValidationError, schema: type[BaseModel]) -> list[str]:
    """Everything that is wrong, each in a few words."""
    return [described(each, schema) for each in error.errors(include_url=False)]


def described(error: Mapping[str, Any], schema: type[BaseModel]) -> str:
    """One thing that is wrong, in a few words."""
    parts = [str(part) for part in error["loc"] if not str(part).startswith("dict[")]
    key = ".".join(shown(part) for part in parts)
    if error["type"] == "extra_forbidden":
        known = known_keys(schema) if "." in key and schema is Config else schema.model_fields
        return f"unknown key '{key}'{hint(key, known)}"
    if error["type"] == "missing":
        return f"key '{key}' is missing"
    value = error["input"]
    allowed = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if error["type"] == "too_short":
        allowed = f"at least {error['ctx']['min_length']} of them"
    text = shown(repr(value)) if isinstance(value, str) else shown(value)
    return f"{key}: {text} is not allowed, it should be {allowed}"


def known_keys(schema: type[BaseModel] = Config) -> list[str]:
    """The dotted keys of a schema of sections."""
    return [
        f"{section}.{key}"
        for section, field in schema.model_fields.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    ]


def hint(word: str, known: Iterable[str]) -> str:
    """``, did you mean ...?``, or nothing where no allowed name is near."""
    if len(word) > LONGEST_NAME:
        return ""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""
