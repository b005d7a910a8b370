"""A YAML text read so that every value knows its place, and nothing is guessed.

Stricter than YAML: a key given twice, a plain `yes`, `no`, `on` or `off`, an anchor, an alias and a tag are findings.
Dates stay texts; what they are is for the key to say.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bus.agreements.finding import Finding, Place
from bus.agreements.unparsed import Trouble, trouble_of

Step = str | int
Where = tuple[Step, ...]
SURPRISES = {"yes": "true", "no": "false", "on": "true", "off": "false", "y": "true", "n": "false"}
_FOLD = "\a"
"""Where the round-trip reader saw a folded line end."""

_UNREAL = re.compile("[\ud800-\udfff\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Halves of characters, orders to a terminal, and what turns the order of letters round: nobody sees them in a text."""

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "timestamp", "str", "map", "seq")}


@dataclass
class Text:
    """A file's text with its values and their places. `data` is made of dict, list, str, int, float, bool and None."""

    file: str
    lines: list[str]
    source: str
    data: Any = None
    findings: list[Finding] = field(default_factory=list)
    _keys: dict[Where, Node] = field(default_factory=dict)
    _values: dict[Where, Node] = field(default_factory=dict)
    _met: set[int] = field(default_factory=set)

    def key(self, where: Where) -> Place:
        """The place of a key, or of the nearest thing around it that the file has."""
        while where and where not in self._keys and where not in self._values:
            where = where[:-1]
        node = self._keys.get(where)
        return self._of(node) if node is not None else self.value(where)

    def value(self, where: Where, start: int = 0, end: int | None = None) -> Place:
        """The place of a value, or of a part of a text: characters [start, end) of it.

        Where the file has no such value, the key around the gap is meant.
        """
        if where not in self._values:
            return self.key(where[:-1]) if where else self._place(0, 0, 1)
        node = self._values[where]
        if end is None or not isinstance(node, ScalarNode):
            return self._of(node)
        first = self._offset(node, start)
        last = self._offset(node, max(start, end - 1))
        line, column = self._line_column(first)
        return self._place(line, column, last - first + 1)

    def _of(self, node: Node) -> Place:
        mark, end = node.start_mark, node.end_mark
        length = end.column - mark.column if end.line == mark.line else len(self._line(mark.line)) - mark.column
        if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:
            length = 1
        return self._place(mark.line, mark.column, length)

    def _place(self, line: int, column: int, length: int) -> Place:
        text = self._line(line)
        return Place(self.file, line + 1, column + 1, max(1, min(length, len(text) - column)), text)

    def _line(self, number: int) -> str:
        return self.lines[number] if number < len(self.lines) else ""

    def _line_column(self, index: int) -> tuple[int, int]:
        before = self.source[:index]
        return before.count("\n"), index - (before.rfind("\n") + 1)

    def _offset(self, node: ScalarNode, wanted: int) -> int:
        """Where character `wanted` of a scalar's value stands in the file: quotes, folding and indents are skipped."""
        begin: int = node.start_mark.index
        at = begin
        if node.style in {"|", ">"}:
            at = self.source.find("\n", at) + 1
        elif node.style in {"'", '"'}:
            at += 1
        found = at
        for character in node.value[: wanted + 1]:
            if character.isspace():
                continue
            found = self.source.find(character, at)
            if found < 0:
                return begin
            at = found + 1
        return found

    def report(self, code: str, place: Place, suggestion: str | None = None, **details: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(code, place, tuple(details.items()), suggestion=suggestion))

    def tell(self, trouble: Trouble) -> None:
        """Add what keeps the text from being read at all."""
        place = self._place(trouble.line, trouble.column, trouble.length)
        self.report(trouble.code, place, **dict(trouble.details))

    def read(self, node: Node, where: Where) -> Any:
        """The plain value of a node, noting places and surprises on the way."""
        self._values[where] = node
        if id(node) in self._met or node.anchor:
            self.report("yaml-anchor", self._of(node))
            if id(node) in self._met:
                return None
        self._met.add(id(node))
        if str(node.tag) not in _KNOWN_TAGS:
            self.report("yaml-tag", self._of(node), text=str(node.tag))
            if isinstance(node, ScalarNode) and not node.value:  # it was meant as a value, as in `filter: !has(phone)`
                node.value = self.source[node.start_mark.index : node.end_mark.index].strip()
        if isinstance(node, MappingNode):
            return dict(self._items(node, where))
        if isinstance(node, SequenceNode):
            self._too_far_in(node)
            return [self.read(item, (*where, number)) for number, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node)

    def _too_far_in(self, node: SequenceNode) -> None:
        """An item that begins further in than those above would be read as more of their text."""
        for item in node.value:
            if isinstance(item, ScalarNode) and item.style is None:
                for number in range(item.start_mark.line + 1, item.end_mark.line + 1):
                    told = self._line(number).lstrip()
                    if told.startswith("- "):
                        self.report("yaml-indent", self._place(number, len(self._line(number)) - len(told), len(told)))
                        item.value = item.value.partition(" - ")[0]

    def _items(self, node: MappingNode, where: Where) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            self._whole(key_node)
            name = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            if name in seen:
                self.report("duplicate-key", self._of(key_node), text=name, line=str(seen[name]))
                continue
            if isinstance(key_node, ScalarNode) and key_node.style is None and name.lower() in SURPRISES:
                self.report("yaml-yes-no", self._of(key_node), f'"{name}"', text=name, meant=SURPRISES[name.lower()])
            seen[name] = key_node.start_mark.line + 1
            self._keys[(*where, name)] = key_node
            yield name, self.read(value_node, (*where, name))

    def _whole(self, node: Node) -> None:
        """What stands in no text, as escapes can write it, is a finding: a reviewer would be shown another text."""
        unreal = _UNREAL.findall(node.value.replace(_FOLD, "")) if isinstance(node, ScalarNode) else []
        if unreal:
            self.report("yaml-character", self._of(node), text=f"U+{ord(unreal[0]):04X}")
            node.value = _UNREAL.sub("", node.value)

    def _scalar(self, node: ScalarNode) -> Any:
        self._whole(node)
        node.value = node.value.replace(_FOLD, "")
        text, plain = node.value, node.style is None
        if plain and text.lower() in SURPRISES:
            meant = SURPRISES[text.lower()]
            self.report("yaml-yes-no", self._of(node), f'"{text}"', text=text, meant=meant)
            return text
        tag = str(node.tag).removeprefix(_TAG)
        try:
            match tag:
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text.replace("_", ""), 0)
                case "float":
                    return _finite(float(text.replace("_", "")))
        except ValueError:  # 0123 and the like: an identifier that lost its quotes
            self.report("yaml-number", self._of(node), f'"{text}"', text=text)
        return text


def _finite(number: float) -> float:
    """Raises ValueError for one that is too large to be told from others."""
    if isinf(number):
        raise ValueError
    return number


def read_text(source: Path | str, name: str | None = None) -> Text:
    """Read a file, or a text (then `name` stands for the file). What is not YAML comes as a finding, `data` None."""
    if isinstance(source, Path):
        name, content = name or _short(source), source.read_bytes()
        try:
            source = io.StringIO(content.decode(), newline=None).read()
        except UnicodeDecodeError:
            return _not_utf_8(name, content)
    text = Text(name or "<text>", source.splitlines(), source)
    yaml = YAML()
    yaml.composer.warn_double_anchors = False  # an anchor is a finding, however often it is given
    try:
        node = yaml.compose(io.StringIO(source))
    except YAMLError as error:
        text.tell(trouble_of(error, source, text.lines))
        return text
    except RecursionError:
        text.report("yaml-deep", text.value(()))
        return text
    if not isinstance(node, MappingNode):
        text.report("yaml-not-a-mapping", text.value(()))
        return text
    text.data = text.read(node, ())
    return text


def _not_utf_8(name: str, content: bytes) -> Text:
    """A file in another encoding, with the place of the first character that is not UTF-8."""
    source = content.decode(errors="replace")
    before = source.partition("\ufffd")[0]
    text = Text(name, source.splitlines(), source)
    text.tell(Trouble("yaml-encoding", before.count("\n"), len(before) - (before.rfind("\n") + 1)))
    return text


def _short(path: Path) -> str:
    """The path as people would type it from where they are."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)
