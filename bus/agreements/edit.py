"""Edits of an agreement's text that leave everything else of the file as it is: comments, layout, quotes, line ends.

A value is replaced where it stands, character by character; nothing is read and written anew.
"""

import json
import re

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

_PLAIN = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]*$")
"""Texts that need no quotes, wherever they stand; words that YAML takes for something else are quoted all the same."""

_WORDS = {"yes", "no", "on", "off", "y", "n", "true", "false", "null"}


def with_value(source: str, key: str, value: str) -> str:
    """The source with another text as the value of a top-level key. Raises KeyError where it has no such plain value.

    A comment behind the value stays where it is; a value that is folded over lines becomes one line.
    """
    start, end = _span(source, key)
    return f"{source[:start]}{_written(value)}{source[end:]}"


def _written(value: str) -> str:
    plain = _PLAIN.match(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def _span(source: str, key: str) -> tuple[int, int]:
    """Where the value begins and ends, in characters of the source."""
    try:
        node = YAML().compose(source)
    except YAMLError:
        raise KeyError(key) from None
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if name.value == key and isinstance(value, ScalarNode) and value.style not in {"|", ">"}:
                begin, end = value.start_mark.index, value.end_mark.index
                return begin, begin + len(source[begin:end].rstrip()) if end > begin else end
    raise KeyError(key)
