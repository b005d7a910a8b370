"""Contracts that are made from a real register; checked against the official JSON Schemas where those are at hand.

CONTRACT_SCHEMAS names a folder that holds them: `asyncapi.json` (3.0.0) and `odcs.json` (3.1.0).
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator, Draft201909Validator

from bus.cli import cli
from bus.errors import NotFound
from bus.model.reasons import Reason
from tests.broker.conftest import PERSON, SmallBus

pytestmark = pytest.mark.broker

BANK = "person-address-to-bank"
VALIDATORS: dict[str, Any] = {"asyncapi": Draft7Validator, "odcs": Draft201909Validator}


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


def check(document: dict[str, Any], kind: str) -> None:
    folder = os.environ.get("CONTRACT_SCHEMAS")
    if folder:
        schema = json.loads((Path(folder) / f"{kind}.json").read_text(encoding="utf-8"))
        assert [error.message for error in VALIDATORS[kind](schema).iter_errors(document)] == []


async def test_of_an_agency(told: SmallBus) -> None:
    """An agency's document names its own topics, their views as Avro, and every reason of an erasure; nothing else."""
    document = await contract("agency", "contract", "commercial-bank")
    check(document, "asyncapi")
    assert {name: one["address"] for name, one in document["channels"].items()} == {BANK: told.agency_topic(BANK)}
    messages = document["components"]["messages"]
    view = {one["name"] for one in messages[BANK]["payload"]["schema"]["fields"]}
    assert view == {field.called or field.name for field in told.documents[BANK].fields}
    reasons = messages["erased"]["headers"]["properties"]["ce_erasurereason"]["enum"]
    assert reasons == [reason.value for reason in Reason]


async def test_of_a_dataset(told: SmallBus) -> None:
    """A dataset's contract has every field with its category, and the keys in their order."""
    document = await contract("connector", "contract", PERSON)
    check(document, "odcs")
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
