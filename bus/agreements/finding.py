"""A finding: what is wrong with an agreement, where, what is allowed instead, and the nearest name.

The sentences stand by code and language in `words/<language>.yaml`.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from bus.model.reasons import Reason

_WORDS = files("bus.agreements.words")
_TOOL = "-tool.yaml"
LANGUAGES = tuple(sorted(file.name.removesuffix(_TOOL) for file in _WORDS.iterdir() if file.name.endswith(_TOOL)))
"""The languages that the tool speaks. Each has two files: what is said of agreements, and what the commands say."""


class Severity(StrEnum):
    """An ERROR stops the agreement from being used; a WARNING is for people to weigh."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file: line and column from 1, and how many characters of that line are meant."""

    file: str
    line: int
    column: int
    length: int
    line_text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `details` fill the sentence of `code`; `allowed` lists what could stand there."""

    code: str
    place: Place
    details: tuple[tuple[str, str], ...] = ()
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self, language: str = "en") -> str:
        """What is wrong, and what to write instead, in one line."""
        words = words_of(language)
        details = {name: words["terms"].get(value, value) for name, value in self.details}
        parts = [words["findings"][self.code].format(**details)]
        if self.suggestion is not None:
            parts.append(words["suggestion"].format(suggestion=self.suggestion))
        elif self.allowed:
            parts.append(words["allowed"].format(allowed=", ".join(self.allowed)))
        return "; ".join(parts)

    def render(self, language: str = "en") -> str:
        """The place, the sentence, and the line with a caret under what is meant."""
        place = self.place
        severity = words_of(language)["severity"][self.severity]
        head = f"{place.file}:{place.line}:{place.column}: {severity} {self.code}: {self.sentence(language)}"
        if not place.line_text:
            return head
        margin = f"{place.line:>5} | "
        caret = " " * (len(margin) - 2) + "| " + " " * (place.column - 1) + "^" * max(place.length, 1)
        return f"{head}\n{margin}{place.line_text}\n{caret}"

    def as_json(self, language: str = "en") -> dict[str, Any]:
        """For machines, which go by the code; the message is for whoever they show it to."""
        return {
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "severity": self.severity.value,
            "code": self.code,
            "message": self.sentence(language),
            "allowed": list(self.allowed),
            "suggestion": self.suggestion,
        }


def nearest(text: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one was likely to be."""
    close = difflib.get_close_matches(text, list(known), 1)
    return close[0] if close else None


@cache
def words_of(language: str) -> Mapping[str, Any]:
    """The sentences and terms of a language. Raises KeyError for one that the tool does not speak."""
    if language not in LANGUAGES:
        raise KeyError(language)
    words: dict[str, Any] = {}
    for name in (f"{language}.yaml", f"{language}{_TOOL}"):
        words |= YAML(typ="safe").load(_WORDS.joinpath(name).read_text(encoding="utf-8"))
    return words


def number(written: str, language: str) -> str:
    """A number that was written as in English (`1,907`, `0.5`), with the marks of a language."""
    marks = words_of(language)["numbers"]
    return written.translate({ord(","): marks["thousands"], ord("."): marks["decimals"]})


def reason_words(reason: Reason, language: str) -> tuple[str, str]:
    """Meaning and remedy of a reason; the catalogue itself speaks English."""
    words = words_of(language).get("reasons", {}).get(reason.value)
    return (reason.meaning, reason.remedy) if words is None else (words["meaning"], words["remedy"])
