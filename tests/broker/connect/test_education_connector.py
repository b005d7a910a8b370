"""A registry that joins a running bus with its own schema: diplomas, from the country's people to the topic."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bus.agreements.agencies import load_agencies
from bus.agreements.check import load_agreements
from bus.avro.client import value_subject
from bus.avro.datasets import load_datasets
from bus.connect.folder import load_folder
from bus.connect.place import Place
from bus.kafka.admin import Admin
from seeds.country import Country
from seeds.systems.education import diplomas, make
from tests.broker.connect.conftest import ROOT

FOLDER = ROOT / "connectors" / "education"
DIPLOMA = "education.diploma"
PEOPLE = Country(seed=1, people=400)


def test_diplomas_are_of_the_countrys_people() -> None:
    """Each diploma is of a person of the population registry, of an age for it, and the same every time."""
    people = {person.personal_id: person for person in PEOPLE.persons()}
    rows = list(diplomas(PEOPLE))
    assert rows == list(diplomas(PEOPLE))
    assert len(rows) > 100
    for number, person, *_, issued, _revoked, _changed in rows:
        assert isinstance(issued, str)
        assert int(issued[-4:]) - people[str(person)].birth_date.year >= 18, number


def test_the_agreement_fits() -> None:
    """The agreement beside the connector has no finding against its schema and the country's agencies."""
    datasets, agencies = load_datasets(FOLDER / "schemas"), load_agencies(ROOT / "seeds" / "agencies.yaml")
    (document,) = load_agreements(FOLDER / "agreements", datasets, agencies)
    assert document.dataset == DIPLOMA


@pytest.mark.broker
async def test_from_the_table_to_the_topic(bus: Any, tmp_path: Path) -> None:
    """Every diploma comes out as its schema says, no row is refused, and a revocation follows."""
    file = tmp_path / "diplomas.sqlite"
    count = make(file, PEOPLE)
    schema = load_datasets(FOLDER / "schemas")[DIPLOMA].schema
    topics = [bus.topics.changes_spec(DIPLOMA), *bus.topics.connector_specs("education")]
    await Admin(bus.access).ensure_topics(topics)
    await bus.client.register(value_subject(bus.topics.changes(DIPLOMA)), schema)
    source = load_folder(FOLDER)(Place("education", bus.topics.prefix, {"url": f"sqlite:///{file}"}))
    async with bus.running(source):
        await bus.caught_up(source, "education")
        first = min(await bus.newest(DIPLOMA))
        person, number = first.split("/")
        with sqlite3.connect(file) as database:
            words = "update van_bang set thu_hoi = 1, sua_luc = '2026-12-01 08:00:00' where so_hieu = ?"
            database.execute(words, [number])
        database.close()

        async def revoked() -> bool:
            return bool((await bus.newest(DIPLOMA))[first]["revoked"])

        await bus.until(revoked)
    newest = await bus.newest(DIPLOMA)
    assert len(newest) == count
    assert newest[first]["personal_id"] == person
    assert await bus.read(bus.topics.deadletters_of("education")) == []
