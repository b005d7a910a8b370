"""Contracts that are made from a real register."""

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner

from bus.cli import cli
from bus.errors import NotFound
from bus.model.reasons import Reason
from tests.broker.conftest import PERSON, SmallBus
from tests.unit.deliver.standards import wrong

pytestmark = pytest.mark.broker

BANK = "person-address-to-bank"


@pytest.fixture
async def told(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> SmallBus:
    """A bus with one agreement, found by the commands."""
    await small_bus.registrar.enrol_agencies(small_bus.agencies)
    await small_bus.activate(BANK)
    monkeypatch.setenv("BUS_HOME", str(small_bus.settings.home_path))
    monkeypatch.setenv("BUS_PREFIX", small_bus.settings.prefix)
    return small_bus


async def contract(*words: str) -> dict[str, Any]:
    answer = await asyncio.to_thread(CliRunner().invoke, cli, words, catch_exceptions=False)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


async def test_of_an_agency(told: SmallBus) -> None:
    """An agency's document names its own topics, their views as Avro, and every reason of an erasure; nothing else."""
    document = await contract("agency", "contract", "commercial-bank")
    assert wrong(document, "asyncapi") == []
    assert {name: one["address"] for name, one in document["channels"].items()} == {BANK: told.agency_topic(BANK)}
    messages = document["components"]["messages"]
    view = {one["name"] for one in messages[BANK]["payload"]["schema"]["fields"]}
    assert view == {field.called or field.name for field in told.documents[BANK].fields}
    reasons = messages["erased"]["headers"]["properties"]["ce_erasurereason"]["enum"]
    assert reasons == [reason.value for reason in Reason]


async def test_of_a_dataset(told: SmallBus) -> None:
    """A dataset's contract has every field with its category, and the keys in their order."""
    document = await contract("connector", "contract", PERSON)
    assert wrong(document, "odcs") == []
    (table,) = document["schema"]
    assert table["physicalName"] == told.topics.changes(PERSON)
    fields = {one["name"]: one for one in table["properties"]}
    known = told.datasets[PERSON].fields
    assert {name: one["classification"] for name, one in fields.items()} == {one.name: one.category for one in known}
    assert fields["personal_id"]["primaryKeyPosition"] == 1
    assert document["tenant"] == "public-security"


async def test_of_nobody(told: SmallBus) -> None:
    """A name that the register does not have is answered with those that it has."""
    for words in (("agency", "contract", "nobody"), ("connector", "contract", "no.thing")):
        answer = await asyncio.to_thread(CliRunner().invoke, cli, words)
        assert isinstance(answer.exception, NotFound)
