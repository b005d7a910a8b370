"""What people meet by name (errors, log events, reasons) stands once, is used, and says what it promises."""

import ast
import string
from collections.abc import Iterator
from enum import StrEnum

import pytest

from bus import errors
from bus.errors import BusError
from bus.model.reasons import Reason
from bus.telemetry import Event
from tests.repo.tree import dotted, named, python

ERRORS: dict[str, type[BusError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, BusError) and kind is not BusError
}


def places(text: str) -> set[str]:
    """The names in braces of a template."""
    return {name.partition(".")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


def raised() -> Iterator[tuple[str, str, set[str] | None]]:
    """Where an error is made, which, and with which details; None where they are passed on as a whole."""
    for path, tree in python("bus", "connectors"):
        for node in ast.walk(tree):
            match node:
                case ast.Raise(exc=ast.Name(id=name)) if name in ERRORS:
                    yield f"{named(path)}:{node.lineno}", name, set()
                case ast.Call(func=ast.Name(id=name), keywords=given) if name in ERRORS:
                    details = {one.arg for one in given if one.arg}
                    yield f"{named(path)}:{node.lineno}", name, details if len(details) == len(given) else None


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS.keys())
def test_an_error_tells_what_happened_and_what_to_do(kind: type[BusError]) -> None:
    """Each error must have a message of its own without a closing stop, a remedy in sentences, and a docstring."""
    assert "message" in vars(kind)
    assert "remedy" in vars(kind)
    assert kind.__doc__
    assert not kind.message.endswith(".")
    assert kind.remedy.endswith((".", "?", "}"))
    assert kind.exit_code != 0


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS.keys())
def test_an_error_fills_its_templates(kind: type[BusError]) -> None:
    """Given its details, an error must print them: no brace may be left, no format may fail."""
    details = dict.fromkeys(places(kind.message) | places(kind.remedy), 7)
    error = kind(**details)
    for text in (str(error), error.how_to_mend):
        assert text
        assert "{" not in text


def test_errors_are_made_with_all_their_details() -> None:
    """Where an error is raised it must be given every detail that its message and its remedy name."""
    lacking = {
        place: missing
        for place, name, given in raised()
        if given is not None and (missing := (places(ERRORS[name].message) | places(ERRORS[name].remedy)) - given)
    }
    assert lacking == {}


def test_every_error_is_raised_somewhere() -> None:
    """An error that nothing raises is a promise that nobody keeps."""
    assert set(ERRORS) - {name for _, name, _ in raised()} == set()


@pytest.mark.parametrize("catalogue", [Event, Reason], ids=["log events", "reasons"])
def test_every_entry_of_a_catalogue_is_used(catalogue: type[StrEnum]) -> None:
    """Documentation is made from the catalogues: an entry that the code never uses would tell of what never happens."""
    used = {
        dotted(node).removeprefix(f"{catalogue.__name__}.")
        for path, tree in python("bus", "connectors")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node).startswith(f"{catalogue.__name__}.")
    }
    assert {entry.name for entry in catalogue} - used == set()


@pytest.mark.parametrize("entry", [*Event, *Reason], ids=str)
def test_an_entry_has_a_name_for_machines_and_a_sentence_for_people(entry: Event | Reason) -> None:
    """A name is in lower case with hyphens; its meaning is a sentence."""
    assert entry.value == entry.value.lower().replace("_", "-").replace(" ", "-")
    assert entry.meaning[0].isupper()
    assert entry.meaning.endswith(".")


def test_log_events_have_a_level_that_logging_knows() -> None:
    """A level that is misspelt would fail at the moment when something is to be told."""
    assert {event.level for event in Event} <= {"debug", "info", "warning", "error"}
