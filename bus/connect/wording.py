"""What is wrong in a manifest, in plain words: the line, the key, the reason."""

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from bus.errors import ManifestWrong

Model = TypeVar("Model", bound=BaseModel)

TOLD = 5
"""So many findings at once; the others are told when these are mended."""

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
"""Pydantic's code → what is expected in its place."""

_LIMITS = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "needs at least one entry",
    "string_too_short": "must not be empty",
    "string_too_long": "is longer than {max_length} letter",
}
_PATTERNS = {
    r"^[a-z][a-z0-9-]*$": "must be lower-case letters, digits and hyphens, a letter first",
    r"^[a-z][a-z0-9_]*$": "must be lower-case letters, digits and underscores, a letter first",
}


def checked(path: Path, model: type[Model], keys: Collection[str]) -> Model:
    """A YAML file as a model; `keys` are those that it may have anywhere. Raises ManifestWrong.

    Who validates finds the file's folder in the context, for files that it names.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ManifestWrong(path=shown(path), reason="it is not written in UTF-8") from None
    except OSError as error:
        raise ManifestWrong(path=shown(path), reason=f"it cannot be read ({error.strerror})") from None
    try:
        data = YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ManifestWrong(path=shown(path), reason=f"{line}{error.problem or 'it is no YAML'}") from None
    except YAMLError as error:
        raise ManifestWrong(path=shown(path), reason=str(error).partition("\n")[0]) from None
    if not isinstance(data, dict):
        raise ManifestWrong(path=shown(path), reason="it is no mapping of keys such as `name: library`")
    try:
        return model.model_validate(data, context={"folder": path.parent})
    except ValidationError as error:
        found = list(_findings(error.errors(), data, keys))
        more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
        root = YAML(typ="safe", pure=True).compose(text)
        told = "; ".join(f"{_where(root, place)}{what}" for place, what in found[:TOLD])
        raise ManifestWrong(path=shown(path), reason=f"{told}{more}") from None


def shown(path: Path) -> str:
    """A path as people would type it from where they are."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def _findings(
    errors: Sequence[ErrorDetails], data: Any, keys: Collection[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each wrong place with what is wrong there. Of the forms that a value may take, the one that was meant counts."""
    by_place: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for one in errors:
        by_place.setdefault(_place(one, data), []).append(one)
    for place, found in by_place.items():
        if not any(other[: len(place)] == place and other != place for other in by_place if place):
            yield place, _words(found, place, keys)


def _place(error: ErrorDetails, data: Any) -> tuple[str | int, ...]:
    """The keys that lead to it; pydantic also names the forms that it has tried, which no file holds."""
    place: list[str | int] = []
    at: Any = data
    for part in error["loc"]:
        inside: Any = dict(enumerate(at)) if isinstance(at, list) else at
        if isinstance(inside, dict) and part in inside:
            at = inside[part]
        elif error["type"] != "missing" or part != error["loc"][-1]:
            continue
        place.append(part)
    return tuple(place)


def _words(found: Sequence[ErrorDetails], place: tuple[str | int, ...], keys: Collection[str]) -> str:
    key, kinds = str(place[-1]) if place else "", [one["type"] for one in found]
    if "extra_forbidden" in kinds:
        return _unknown(key, keys)
    if "missing" in kinds:
        return "is missing"
    for one in found:
        context: dict[str, Any] = one.get("ctx") or {}
        if one["type"] == "value_error":
            return str(context["error"])
        if one["type"] in _LIMITS:
            return _LIMITS[one["type"]].format(**context)
        if one["type"] == "string_pattern_mismatch":
            return _PATTERNS.get(context["pattern"], f"must have the form {context['pattern']}")
    expected = dict.fromkeys(_expected(one) for one in found)
    return f"must be {' or '.join(expected)}"


def _expected(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx") or {}
    if "expected" in context:
        return re.sub(r"<[^:>]+: '([^']+)'>|'([^']+)'", r"\1\2", str(context["expected"]))
    return _KINDS.get(error["type"], error["msg"].removeprefix("Input should be "))


def _unknown(key: str, keys: Collection[str]) -> str:
    if key in keys:
        return "this key does not belong here"
    near = difflib.get_close_matches(key, keys, 1, 0.7)
    return f"there is no such key; is `{near[0]}` meant?" if near else "there is no such key"


def _where(root: Node, place: tuple[str | int, ...]) -> str:
    """The line of a place, and its keys; of one that is not there, the line of what it is missing in."""
    line, node = root.start_mark.line, root
    for part in place:
        if isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    keys = ".".join(str(part) for part in place)
    return f"line {line + 1}, {keys}: " if keys else ""
