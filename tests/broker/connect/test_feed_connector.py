"""The tax registry's service into Kafka: pages, feed, deletions that name only an id, restarts."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bus.connect.place import Place
from connectors.tax.source import Source
from seeds.systems.store import Store
from seeds.systems.tax import application
from tests.broker.connect.conftest import under

pytestmark = [pytest.mark.broker]

TAXPAYER, OBLIGATION = "tax.taxpayer", "tax.obligation"
TOKEN = "let-me-in"


@dataclass
class Tax:
    """The tax registry's service, and its store behind it."""

    url: str
    store: Store

    def taxpayer(self, code: str, person: str, office: str = "01-03") -> None:
        """Write a taxpayer as the clerk does."""
        record = {
            "taxCode": code,
            "formerTaxCode": None,
            "personalId": person,
            "kind": "EMP",
            "office": office,
            "status": "00",
            "registeredOn": "2020-02-29",
            "closedOn": None,
            "modified": "2026-03-01T08:00:00.000Z",
        }
        self.store.put("taxpayer", code, person, record)


@pytest.fixture
async def tax(tmp_path: Path) -> AsyncIterator[Tax]:
    """The service on a free port."""
    store = Store(tmp_path / "tax.sqlite")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(application(store, TOKEN), log_config=None))
        serving = asyncio.create_task(server._serve([listener]))
        yield Tax(f"http://127.0.0.1:{listener.getsockname()[1]}", store)
        server.should_exit = True
        await serving


@pytest.fixture
async def source(bus: Any, tax: Tax) -> AsyncIterator[Source]:
    """The service as a source."""
    source = Source(Place("tax", bus.topics.prefix, {"url": tax.url, "token": TOKEN}))
    yield source
    await source.close()


def office(record: dict[str, Any]) -> str:
    return str(record["tax_office"])


async def test_pages_then_feed(bus: Any, tax: Tax, source: Source) -> None:
    """What was there before is read by pages, what happens then by the feed; a deletion finds its subject by itself."""
    for n in range(700):
        tax.taxpayer(f"c{n:04}", f"p{n:04}")
    async with bus.running(source):
        await bus.caught_up(source, "tax")
        tax.taxpayer("c0001", "p0001", office="79-01")
        tax.taxpayer("c9999", "p9999")
        tax.store.delete("taxpayer", "c0002")
        await bus.caught_up(source, "tax")
    newest = await bus.newest(TAXPAYER)
    assert len(newest) == 700
    assert office(newest["p0001/c0001"]) == "79-01"
    last = (await bus.changes(TAXPAYER))[-3:]
    assert {record.header("ce_type") for record in last} <= {
        f"{TAXPAYER}.{word}" for word in ("created", "updated", "deleted", "read")
    }
    assert "p0002/c0002" not in newest


async def test_a_corrected_person_leaves_the_old_key(bus: Any, tax: Tax, source: Source) -> None:
    """A record that turns out to be another person's gets a tombstone under the first, also after a restart."""
    tax.taxpayer("c1", "p1")
    async with bus.running(source):
        await bus.caught_up(source, "tax")
    tax.taxpayer("c1", "p2")
    async with bus.running(source):
        await bus.caught_up(source, "tax")
    assert set(await bus.newest(TAXPAYER)) == {"p2/c1"}
    tax.store.delete("taxpayer", "c1")
    async with bus.running(source):
        await bus.caught_up(source, "tax")
    assert await bus.newest(TAXPAYER) == {}


async def test_kill_9_loses_and_repeats_nothing(bus: Any, tax: Tax, source: Source, connectors: Any) -> None:
    """After SIGKILLs in the middle of pages and feed, the topic holds what the service holds."""
    for n in range(3000):
        tax.taxpayer(f"c{n:04}", f"p{n:04}")
    for kills in range(2):
        goal = await bus.published("tax") + 300
        process = connectors.start("tax", url=tax.url, token=TOKEN)
        for n in range(400):
            tax.taxpayer(f"c{n + kills * 50:04}", f"p{n + kills * 50:04}", office=f"0{kills}-01")
        tax.store.delete("taxpayer", f"c{2000 + kills}")
        await bus.until_published("tax", goal)
        process.kill()
        process.wait()
    connectors.start("tax", url=tax.url, token=TOKEN)
    await bus.caught_up(source, "tax")
    rows = tax.store.page("taxpayer", after_key="", limit=10_000).records
    expected = {f"{row['personalId']}/{row['taxCode']}": row["office"] for row in rows}
    assert {key: office(record) for key, record in (await bus.newest(TAXPAYER)).items()} == expected
    await bus.assert_unique(TAXPAYER)


async def test_a_feed_that_starts_over_is_read_anew(bus: Any, tax: Tax, source: Source) -> None:
    """When the service was restored from a backup, its records are read anew, and those it lost get tombstones."""
    for n in range(5):
        tax.taxpayer(f"c{n}", f"p{n}")
    async with bus.running(source):
        await bus.caught_up(source, "tax")
    tax.store._db.executescript("delete from journal; delete from sqlite_sequence; delete from record where key < 'c2'")
    async with bus.running(source):
        await bus.caught_up(source, "tax")
    assert set(await bus.newest(TAXPAYER)) == {"p2/c2", "p3/c3", "p4/c4"}


async def test_a_broken_entry_is_a_dead_letter(bus: Any, tax: Tax, source: Source) -> None:
    """An entry without a record, and a record with an unknown code, do not stop the feed."""
    async with bus.running(source):
        tax.store._journal("taxpayer", "c1", "upsert", None)
        tax.store.put("obligation", "o1", "p1", {"id": "o1", "tax": "?"})
        tax.taxpayer("c2", "p2")
        await bus.caught_up(source, "tax")
    assert set(await bus.newest(TAXPAYER)) == {"p2/c2"}
    dead = await bus.read(bus.topics.deadletters_of("tax"))
    assert {record.header("dead-dataset") for record in dead} == {TAXPAYER, OBLIGATION}


async def test_a_new_member_is_left_out_and_counted(bus: Any, tax: Tax) -> None:
    """A record with one more member is published without it; how many had it stands in the connector's position."""
    place = Place("tax", bus.topics.prefix, {"url": tax.url, "token": TOKEN})
    found = under(Source, "discard")(place)
    tax.taxpayer("c1", "p1")
    async with bus.running(found):
        await bus.caught_up(found, "tax")
        tax.store.put("taxpayer", "c2", "p2", (tax.store.get("taxpayer", "c1") or {}) | {"taxCode": "c2", "more": 1})
        await bus.caught_up(found, "tax")
    assert len(await bus.newest(TAXPAYER)) == 2
    (strange,) = (await bus.standing("tax")).drift.found
    assert (str(strange), strange.rows) == (f"{TAXPAYER}: new-column more (number)", 1)
