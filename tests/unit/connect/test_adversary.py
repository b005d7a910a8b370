"""The truth test of whole connectors: four kinds of sources, and everything that may happen to them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bus.avro.datasets import dataset_of
from bus.connect.flow import Flow
from bus.connect.known import Export, Known
from bus.connect.mapping import Mapper
from bus.connect.publish import Contract
from bus.connect.standing import Cursor
from bus.connect.window import Window
from tests.unit.connect.adversary.log import Log
from tests.unit.connect.adversary.others import Database, Feed, Files
from tests.unit.connect.adversary.play import Play
from tests.unit.connect.adversary.registry import ORIGINS, Registry, manifest_of
from tests.unit.connect.adversary.table import DATASETS
from tests.unit.connect.conftest import SCHEMA

Kind = Callable[[Random, Path], Registry]
History = Callable[[Kind, int, int], None]


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    """Two datasets of one form."""
    rules = manifest_of("postgres").datasets
    schemas = {name: dataset_of(SCHEMA | {"dataset": ORIGINS[name]}, place="test") for name in DATASETS}
    return {name: Contract.of(Mapper(schemas[name], rules[name], "manifest.yaml"), 7) for name in DATASETS}


@pytest.fixture
def history(tmp_path: Path, contracts: dict[str, Contract]) -> History:
    """Lives through the history of a number, for so many turns of the loop and then to its end."""

    def live(kind: Kind, number: int, turns: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as monkeypatch:
            play = Play(number, kind, folder, contracts, monkeypatch)
            try:
                asyncio.run(play.go(turns))
            except Exception as error:
                error.add_note(f"in history {number} of {kind}")
                raise

    return live


@pytest.mark.parametrize(("kind", "histories"), [(Log, 40), (Feed, 8), (Files, 8), (Database, 6)])
def test_whatever_happens_a_connector_ends_as_its_source(history: History, kind: Kind, histories: int) -> None:
    """Each id once, no record back in time, no secret, no order lost; in the end the topics hold what the tables do."""
    for number in range(histories):
        history(kind, number, 600)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", [Log, Feed, Files, Database])
def test_whatever_happens_at_length(history: History, kind: Kind) -> None:
    """The same over hundreds of histories, and longer ones."""
    for number in range(100, 600):
        history(kind, number, 400 if number % 5 else 3000)


def _nothing(*_: object) -> None:
    """What is left of a step that is taken out."""


BROKEN: list[tuple[Kind, type, str, Callable[..., Any]]] = [
    (Log, Window, "overtake", _nothing),
    (Log, Flow, "_leave", _nothing),
    (Log, Flow, "_refuse", _nothing),
    (Log, Cursor, "with_unfit", lambda cursor, *_: cursor),
    (Feed, Known, "put", _nothing),
    (Files, Export, "meet", _nothing),
    (Database, Known, "same", lambda *_: False),
]
"""Of a kind of source, the step that is broken, and what stands in its place."""


@pytest.mark.parametrize("broken", BROKEN, ids=[one[2] for one in BROKEN])
def test_what_is_broken_is_seen(
    history: History, monkeypatch: pytest.MonkeyPatch, broken: tuple[Kind, type, str, Callable[..., Any]]
) -> None:
    """With one step taken out, some history ends otherwise than its source: a check that cannot fail holds nothing."""
    kind, of, name, instead = broken
    monkeypatch.setattr(of, name, instead)

    def histories() -> None:
        for number in range(40):
            history(kind, number, 600)

    with pytest.raises(AssertionError, match=r"in time|should be erased|not what the table holds|for nothing"):
        histories()
