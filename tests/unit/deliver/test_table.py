"""A recipient's table, on a real PostgreSQL: right whatever is told again, and in whatever portions."""

import random
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from bus.deliver.arrival import Arrival, Erasure, Release
from bus.deliver.table import Table
from bus.kafka.log import Place

TOPIC = "agency.bank.a.v1"


def release(offset: int, key: str, name: str, partition: int = 0) -> Release:
    return Release("a", TOPIC, partition, offset, None, key, {"name": name, "more": 1}, 1)


def erasure(offset: int, key: str, partition: int = 0) -> Erasure:
    return Erasure("a", TOPIC, partition, offset, None, key, "deleted-at-source", "")


@pytest.fixture
async def connection(database: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def table(connection: psycopg.AsyncConnection[Any]) -> Table:
    table = Table(connection, "client", {"name": "text"})
    await table.prepare()
    return table


async def rows(connection: psycopg.AsyncConnection[Any]) -> dict[str, str]:
    found = await connection.execute("SELECT bus_key, name FROM client")
    return {key: name async for key, name in found}


async def test_what_comes_again_brings_nothing_back(table: Table, connection: psycopg.AsyncConnection[Any]) -> None:
    """A release that is given again after its erasure must not put the row back, not even for a moment."""
    told: list[Arrival] = [release(0, "k", "An"), release(1, "l", "Bình"), erasure(2, "k")]
    assert await table.apply(told) == 3
    assert await table.apply(told[:1]) == 0
    assert await rows(connection) == {"l": "Bình"}


async def test_places(table: Table) -> None:
    """A table says the next offset of each partition that it knows, and 0 of one that it has never seen."""
    await table.apply([release(4, "k", "An"), release(9, "k", "Bình", partition=3)])
    asked = [Place(TOPIC, partition) for partition in (0, 1, 3)]
    assert list((await table.begin(asked)).values()) == [5, 0, 10]


async def test_a_new_column(table: Table, connection: psycopg.AsyncConnection[Any]) -> None:
    """A column that the program gained is added; rows from before have nothing in it."""
    await table.apply([release(0, "k", "An")])
    wider = Table(connection, "client", {"name": "text", "more": "int"})
    await wider.prepare()
    await wider.apply([release(1, "l", "Bình")])
    found = await connection.execute("SELECT bus_key, more FROM client ORDER BY 1")
    assert await found.fetchall() == [("k", None), ("l", 1)]


@pytest.mark.parametrize("seed", range(5))
async def test_any_repetition(table: Table, connection: psycopg.AsyncConnection[Any], seed: int) -> None:
    """However often reading starts over, and however it is cut, the table is what the log says."""
    dice = random.Random(seed)  # noqa: S311 - random on purpose, from a seed
    log: list[Arrival] = []
    for offset in range(60):
        key = f"k{dice.randrange(6)}"
        log.append(erasure(offset, key) if dice.random() < 0.3 else release(offset, key, f"v{offset}"))
    at = 0
    while at < len(log):
        begin = dice.randrange(at + 1)
        end = min(len(log), max(at, begin) + dice.randrange(1, 12))
        await table.apply(log[begin:end])
        at = end
    expected: dict[str, str] = {}
    for one in log:
        expected.pop(one.key, None)
        if isinstance(one, Release):
            expected[one.key] = one.fields["name"]
    assert await rows(connection) == expected
