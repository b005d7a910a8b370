"""`bus connector register`: from a folder to a connector that publishes, and what it refuses."""

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from bus.avro.client import value_subject
from bus.avro.datasets import dataset_of
from bus.cli import cli
from bus.connect.process import make_source, reach_of
from bus.connect.runner import Runner
from bus.errors import Dismissed, Fenced, SchemaBreaksAgreements
from bus.kafka.rights import connector_user
from bus.settings import Settings

SQL = """
create table member (id int primary key, personal_id text not null, full_name text);
alter table member replica identity full;
insert into member values (1, 'P1', 'An'), (2, 'P2', null);
"""


@pytest.fixture
def settings(small_bus: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings by which commands find the small bus."""
    for name, value in {"HOME": small_bus.settings.home, "PREFIX": small_bus.settings.prefix}.items():
        monkeypatch.setenv(f"BUS_{name}", str(value))
    monkeypatch.setenv("BUS_LANES", str(small_bus.settings.lanes))
    return Settings()


async def bus(*words: str | Path, given: str = "") -> Result:
    """Run a command of `bus`, beside the loop of the test."""
    call = ("connector", *(str(word) for word in words))
    return await asyncio.to_thread(CliRunner().invoke, cli, call, input=given)


@pytest.fixture
async def folder(settings: Settings, database: str, tmp_path: Path) -> Path:
    """The folder of a connector for a database that nobody prepared."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SQL)
    words = ("new", "shop", "--kind", "postgres", "--dsn", database, "--subject", "personal_id")
    answer = await bus(*words, "--folder", tmp_path / "shop")
    assert answer.exit_code == 0, answer.output
    return tmp_path / "shop"


async def test_guesses_are_not_registered(folder: Path, small_bus: Any) -> None:
    """While a guess stands unconfirmed, nothing is registered; the refusal names it."""
    answer = await bus("register", folder, "--yes")
    assert "guesses that nobody has confirmed" in str(answer.exception)
    assert "shop.member" not in (await small_bus.registrar.state()).datasets


async def test_a_registered_folder_publishes(folder: Path, small_bus: Any, settings: Settings) -> None:
    """After `register` the connector must be in the register, and its rows must come out as its schema says."""
    answer = await bus("register", folder, "--accept-guesses", given="y\n")
    assert answer.exit_code == 0, answer.output
    assert "shop.member: new" in answer.output
    state = await small_bus.registrar.state()
    assert state.datasets["shop.member"].registry == "shop"
    assert dict(state.connectors["shop"]) == {"registry": "shop"}
    source, manifest = make_source("shop", settings)
    runner = Runner(source, manifest, reach_of(connector_user("shop"), settings))
    running = asyncio.create_task(runner.run())
    topic = small_bus.topics.changes("shop.member")
    await small_bus.until(lambda: len(small_bus.read(topic)) == 2, "two members")
    runner.stop()
    await running
    values = await small_bus.values(small_bus.read(topic))
    assert min(values, key=lambda one: one["id"]) == {"id": 1, "personal_id": "P1", "full_name": "An"}


async def test_a_refusal_writes_nothing(folder: Path, small_bus: Any) -> None:
    """Who answers no leaves register and topics as they were."""
    before = (await small_bus.registrar.state()).offset
    answer = await bus("register", folder, "--accept-guesses", given="n\n")
    assert answer.exit_code != 0
    assert (await small_bus.registrar.state()).offset == before


def person_folder(tmp_path: Path, schema: dict[str, Any]) -> Path:
    """A folder of schemas with this one of persons."""
    path = tmp_path / "schemas" / "population" / "person.avsc"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(schema))
    return tmp_path / "schemas"


async def test_what_breaks_an_active_agreement_is_refused(small_bus: Any, settings: Settings, tmp_path: Path) -> None:
    """A schema without a field that an active agreement releases is refused with the list, whatever was answered."""
    await small_bus.activate("person-to-tax")
    schema = json.loads(json.dumps(small_bus.datasets["population.person"].schema))
    name = next(field for field in schema["fields"] if field["name"] == "full_name")
    name["type"], name["default"] = ["null", "string"], None
    folder = settings.home_path / "connectors"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "population.json").write_text('{"dsn": "postgresql://nowhere/x"}')
    before = (await small_bus.registrar.state()).offset
    answer = await bus("register", "population", "--yes", "--schemas", person_folder(tmp_path, schema))
    assert "person-to-tax of tax-authority" in str(answer.exception)
    assert "full_name: type string → null | string" in answer.output
    with pytest.raises(SchemaBreaksAgreements, match="person-to-tax of tax-authority"):
        await small_bus.registrar.enrol_datasets([dataset_of(schema, place="a country's file")])
    assert (await small_bus.registrar.state()).offset == before
    newest = await small_bus.client.latest(value_subject(small_bus.topics.changes("population.person")))
    assert newest.schema == small_bus.datasets["population.person"].schema


async def test_orders_and_the_end_of_a_connector(
    folder: Path, small_bus: Any, settings: Settings, database: str
) -> None:
    """By command a connector is paused, resumed and removed; its process ends, and its source is left clean."""
    assert (await bus("register", folder, "--accept-guesses", "--yes")).exit_code == 0
    assert "has never run" in str((await bus("pause", "shop")).exception)
    source, manifest = make_source("shop", settings)
    small_bus.registrar.home.secret("users/operator")
    running = asyncio.create_task(Runner(source, manifest, reach_of(connector_user("shop"), settings)).run())
    topic = small_bus.topics.changes("shop.member")
    await small_bus.until(lambda: len(small_bus.read(topic)) == 2, "two members")
    assert "has done it" in (await bus("pause", "shop")).output
    assert "paused" in (await bus("status")).output
    assert "has done it" in (await bus("resume", "shop")).output
    assert "refused to snapshot" in str((await bus("snapshot", "shop", "--dataset", "shop.cat")).exception)
    assert "snapshot: shop" in (await bus("snapshot", "shop", "--from-key", "2")).output
    await small_bus.until(lambda: len(small_bus.read(topic)) == 3, "the second member again")
    answer = await bus("remove", "shop", "--reason", "a test", "--yes")
    assert answer.exit_code == 0, answer.exception
    await asyncio.wait({running}, timeout=30)
    assert isinstance(running.exception(), Fenced | Dismissed)  # whichever it meets first
    assert "shop" not in (await small_bus.registrar.state()).connectors
    assert not (settings.home_path / "connectors" / "shop.json").exists()
    assert not small_bus.registrar.home.has_secret("users/connector-shop")
    with psycopg.connect(database, autocommit=True) as connection:
        left = "select slot_name from pg_replication_slots where database = current_database()"
        assert connection.execute(left).fetchall() == []
        assert connection.execute("select pubname from pg_publication").fetchall() == []
    assert len(small_bus.read(topic)) == 3
