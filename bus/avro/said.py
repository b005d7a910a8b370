"""What a schema says to people, in their languages: how a field is called, what it is, what its values mean.

`title` is a plain name that fits into a sentence, `doc` what the field is, `meanings` what each symbol of an enum says.
They speak English; `title_vi`, `doc_vi`, `meanings_vi` and the like speak another language. A view keeps `doc` alone:
the rest serves those whom the bus itself speaks to, and changes no schema that a recipient reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bus.avro.names import full_name, named_types, own_name, space_of

DOC_IN = "doc_"
"""With a language behind it, the attribute that holds a field's meaning in that language."""

_PLAIN = "en"
_TITLE = "title"
_MEANINGS = "meanings"


def on_the_bus_alone(attribute: str) -> bool:
    """Whether an attribute of a field is no part of a view."""
    return attribute.startswith(DOC_IN) or _is(_TITLE, attribute) or _is(_MEANINGS, attribute)


def wrong_words(one: Mapping[str, Any], place: str) -> Iterator[str]:
    """What is wrong with the words of a field, or of the record itself."""
    for key, words in one.items():
        if key.startswith(DOC_IN):
            if not _says(words):
                yield f"{place}: `{key}` must say what the field is"
        elif _is(_TITLE, key):
            if not _says(words):
                yield f"{place}: `{key}` must be a plain name"
        elif _is(_MEANINGS, key):
            symbols = _symbols(one.get("type"))
            if not isinstance(words, dict) or not all(map(_says, words.values())):
                yield f"{place}: `{key}` must say what each value means"
            elif symbols is not None and not set(words) <= symbols:
                yield f"{place}: `{key}` tells of {', '.join(sorted(set(words) - symbols))}, which is no value"


def _is(what: str, key: str) -> bool:
    return key == what or key.startswith(f"{what}_")


def _says(words: object) -> bool:
    return isinstance(words, str) and bool(words.strip())


def _symbols(avro: Any) -> set[str] | None:
    """The symbols of an enum that is defined in a type; None where none is."""
    if isinstance(avro, list):
        return next((found for found in map(_symbols, avro) if found is not None), None)
    if not isinstance(avro, dict):
        return None
    return set(avro["symbols"]) if avro.get("type") == "enum" else _symbols(avro.get("items", avro.get("type")))


@dataclass(frozen=True, slots=True)
class PlainNames:
    """How a record's schema calls things in a language. Where it has no word of it, the code stands."""

    schema: Mapping[str, Any]
    language: str

    def record(self) -> str | None:
        """One record: `person`."""
        title: str | None = self._said(self.schema, _TITLE)
        return title

    def fields(self, path: Sequence[str]) -> tuple[str, ...]:
        """A field and those around it, the outermost first."""
        return tuple(
            name if one is None else self._said(one, _TITLE) or name
            for name, one in zip(path, self._way(path), strict=True)
        )

    def value(self, path: Sequence[str], symbol: str) -> str:
        """What a symbol of a field's enum means."""
        one = self._way(path)[-1]
        words = None if one is None else self._said(one, _MEANINGS)
        return symbol if words is None else str(words.get(symbol, symbol))

    def _said(self, one: Mapping[str, Any], what: str) -> Any:
        return one.get(what if self.language == _PLAIN else f"{what}_{self.language}")

    def _way(self, path: Sequence[str]) -> list[Mapping[str, Any] | None]:
        """The fields on the way along a path; None for each that the schema does not have."""
        names, space = named_types(self.schema), space_of(self.schema, "")
        around: Mapping[str, Any] | None = self.schema
        found: list[Mapping[str, Any] | None] = []
        for step in path:
            fields = () if around is None else around.get("fields", ())
            one = next((field for field in fields if field["name"] == step), None)
            found.append(one)
            around = None if one is None else _record(one["type"], space, names)
            space = space if around is None else own_name(around, space).rpartition(".")[0]
        return found


def _record(avro: Any, space: str, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record that a type is, null left aside; None where it is none."""
    if isinstance(avro, list):
        return next((found for branch in avro if (found := _record(branch, space, names)) is not None), None)
    if isinstance(avro, str):
        avro = names.get(full_name(avro, space))
    if not isinstance(avro, Mapping):
        return None
    return avro if avro.get("type") == "record" else None
