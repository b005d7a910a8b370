"""The reference of the manifest says what the bus reads."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from bus.connect.manifest import FieldRule, Manifest
from tests.repo.tree import ROOT

REFERENCE = ROOT / "connectors" / "MANIFEST.md"
ROW = re.compile(r"(?m)^\| (`[^|]*`) \|([^|]*)\| ([^|]+) \|$")


def keys(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a manifest, dotted, `*` for what a person names, with its default as one would write it."""
    model.model_rebuild()  # names of models in annotations: whether they are models by now depends on who ran before
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else "null" if field.default is None else str(field.default).lower()
        inner, many = _inner(field.annotation)
        section = inner is not None and not place and not many
        yield f"{place}{name}", "" if section else default
        if inner is not None and inner is not FieldRule:
            yield from keys(inner, f"{place}{name}.{'*.' if many else ''}")


def _inner(kind: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model inside of an annotation, and whether it is that of a dictionary's values."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, False
    many = getattr(kind, "__origin__", None) is dict
    found = [one for part in get_args(kind) if (one := _inner(part))[0] is not None]
    return (found[0][0], many or found[0][1]) if found else (None, False)


def told() -> dict[str, tuple[str, str]]:
    """Key → default and meaning, as the reference has them; a row may name several keys."""
    rows = ROW.findall(REFERENCE.read_text(encoding="utf-8").split("## Settings of the source")[0])
    return {
        key: (default.strip(), meaning) for named, default, meaning in rows for key in re.findall(r"`(.+?)`", named)
    }


def test_the_reference_names_every_key_with_its_default() -> None:
    """The tables must name every key that a manifest may have, no other, and the default that it really has."""
    assert {key: default for key, (default, _) in told().items()} == dict([*keys(Manifest), *keys(FieldRule)])


def test_every_key_says_what_it_means() -> None:
    """A key without words is one that only its author can use."""
    assert [key for key, (_, meaning) in told().items() if len(meaning.split()) < 3] == []
