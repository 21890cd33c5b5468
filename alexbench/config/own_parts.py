"""Own parts: a net, an activation, an optimizer or a data set in a Python file beside an ablation.

``./mynet.py:build`` names a function of a file in the ablation's folder. Where the ablation is
read, the SHA-256 of the file's bytes is put behind it (``./mynet.py:build@3f..``): so it is part of
the configuration, of the run's id and of the record. The text travels with a run, in its ``files``.
Nothing here runs it but ``call``, which neither ``show`` nor ``report`` does.
"""

import contextlib
import functools
import hashlib
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeGuard

from alexbench.config import own_files
from alexbench.config.disk import open_regular
from alexbench.errors import BadInput, first_line, shown

KEYS = ("model.name", "model.activation", "train.optimizer", "data.name")
FORM = "./FILE.py:FUNCTION"
PATTERN = r"^\./([A-Za-z0-9_][A-Za-z0-9_-]*\.py):([A-Za-z_][A-Za-z0-9_]*)(?:@([0-9a-f]{64}))?$"
MOST_BYTES = 200_000  # of a file
_sources: dict[str, str] = {}  # SHA-256 -> text, of every own part that this process has seen


class PartName(NamedTuple):
    """What a value names: a file, a function in it, and the SHA-256 of the file."""

    file: str
    function: str
    sha256: str | None


def is_own(value: object) -> bool:
    """Whether an allowed value of one of KEYS is an own part."""
    return isinstance(value, str) and value.startswith("./")


def parse(value: str) -> PartName:
    """The parts of an allowed value."""
    found = re.match(PATTERN, value)
    assert found
    return PartName(*found.groups())


def name(value: str) -> str:
    """The value as the user wrote it, without the hash."""
    return value.partition("@")[0]


def pinned(
    content: Mapping[str, Any], path: Path, folder: Path | None, files: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What an ablation's file holds with the hash of its file behind each own part; raises
    BadInput.

    path: of the ablation, for errors. folder: its folder; None: its text is a record's. files: what
    records carry, in place of what is not there. Also returns name -> text of the parts' files.
    """
    own: dict[str, str] = {}

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            return {inner: walk(each, inner) for inner, each in value.items()}
        if isinstance(value, list):
            return [walk(each, key) for each in value]
        if key not in KEYS or not looks_own(value):
            return value
        if not re.match(PATTERN, value):
            raise BadInput(
                f"{path}: {key}: {shown(value)}: a part of your own is {FORM}, with the file in "
                "the folder of the ablation"
            )
        part = parse(value)
        carried = own_files.part(part.file)
        own[carried] = text = read(part.file, folder, files.get(carried))
        sha256 = remember(text)
        if part.sha256 not in (None, sha256):
            raise BadInput(f"{path}: {key}: {name(value)}: the file has another SHA-256")
        return f"{name(value)}@{sha256}"

    return walk(content), own


def looks_own(value: object) -> TypeGuard[str]:
    """Whether a value was meant as an own part: alexbench's own names have neither / nor .py."""
    return isinstance(value, str) and ("/" in value or ".py" in value)


def read(file: str, folder: Path | None, carried: str | None) -> str:
    """The text of a part's file in a folder, or else what a record carries; raises BadInput."""
    path = (folder or Path()) / file
    if carried is not None and (folder is None or not path.exists()):
        return carried
    try:
        if path.resolve().parent != path.parent.resolve():
            raise BadInput(f"{path}: is a link out of the ablation's folder")
        with open_regular(path) as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise BadInput(f"{path}: has more than {MOST_BYTES:,} bytes")
        return content.decode()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not text in UTF-8") from None


def remember(text: str) -> str:
    """Keep the text of a file for ``call``; returns its SHA-256."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    _sources[sha256] = text
    return sha256


def sources() -> list[str]:
    """Every text that this process knows, for another process to remember."""
    return list(_sources.values())


def refuse(settings: Mapping[str, Any], where: str) -> None:
    """Raises BadInput for own parts in settings that are not the ablation's file."""
    for key in KEYS:
        if looks_own(value := settings.get(key)):
            raise BadInput(
                f"{where}: {key}: {shown(value)}: code that runs must stand in the ablation's "
                "file: write it there"
            )


def as_in_file(settings: Mapping[str, Any], content: Any) -> dict[str, Any]:
    """Settings by hand, an own part with its hash; raises BadInput for one that the file has not.

    content: what the ablation's file holds, from ``pinned``.
    """
    found = dict(settings)
    for key in KEYS:
        if looks_own(value := found.get(key)):
            own = {each: full for full in said(content, key) for each in (full, name(full))}
            if value not in own:
                refuse({key: value}, "--set")
            found[key] = own[value]
    return found


def said(content: Any, key: str, under: str = "") -> Iterator[str]:
    """Yields every own part that an ablation's file gives to a key."""
    if isinstance(content, Mapping):
        for inner, value in content.items():
            yield from said(value, key, inner)
    elif isinstance(content, list):
        for value in content:
            yield from said(value, key, under)
    elif under == key and is_own(content):
        yield content


def call(value: str, *arguments: Any) -> Any:
    """What an own part's function returns; raises BadInput for whatever goes wrong in it."""
    with blamed(value):
        return function(value)(*arguments)


@functools.cache
def function(value: str) -> Any:
    """The function of an own part, from a file that runs once; raises BadInput."""
    part = parse(value)
    found = getattr(module(part.file, str(part.sha256)), part.function, None)
    if not callable(found):
        raise BadInput(f"{name(value)}: {part.file} has no function '{part.function}'")
    return found


@functools.cache
def module(file: str, sha256: str) -> ModuleType:
    """The module that a file makes, run from the text with that SHA-256."""
    if sha256 not in _sources:
        raise BadInput(f"./{file}: stands in no ablation's file that was read")
    made = ModuleType(f"alexbench_own_{sha256[:16]}")
    sys.modules[made.__name__] = made  # dataclasses look their module up
    exec(compile(_sources[sha256], marked(file), "exec"), made.__dict__)
    return made


def marked(file: str) -> str:
    """The file's name in tracebacks."""
    return f"<own {file}>"


@contextlib.contextmanager
def blamed(*values: str) -> Iterator[None]:
    """Turns whatever own parts raise into one line with the line of their file."""
    try:
        yield
    except (BadInput, KeyboardInterrupt):
        raise
    except BaseException as error:
        names = {marked(parse(value).file) for value in values}
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename in names
        ]
        number, what, kind = next(reversed(lines), None), first_line(error), type(error).__name__
        if isinstance(error, SyntaxError):
            number, what = error.lineno, error.msg
        place = "" if number is None else f"line {number}: "
        told = " and ".join(map(name, values))
        raise BadInput(f"{told}: {place}{kind}{f': {what}' * (what != kind)}") from error
