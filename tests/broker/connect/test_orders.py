"""Orders to a connector: obeyed once, whatever happens, and what became of them stands in its position."""

from typing import Any

import pytest

from bus.avro.own import OwnMessages
from bus.connect.orders import Order, OrderKind, give
from bus.connect.place import Place
from bus.connect.standing import OrderState, Outcome
from connectors.population.source import Source

PERSON = "population.person"


@pytest.fixture
def source(bus: Any, population: Any) -> Source:
    """The population registry as a source."""
    return Source(Place("population", bus.topics.prefix, {"dsn": population.dsn}))


async def order(bus: Any, order_id: str, kind: OrderKind, *rest: Any) -> None:
    """Give an order to the connector of the population registry."""
    own = OwnMessages(bus.client)
    await own.prepare()
    await give(bus.access, bus.topics, own, "population", Order(order_id, kind, *rest))


async def outcome(bus: Any, order_id: str) -> Outcome | None:
    """What the connector's position says of an order."""
    at = await bus.standing("population")
    found: Outcome | None = next((one for one in at.orders if one.order_id == order_id), None)
    return found


async def until(bus: Any, order_id: str, *states: OrderState) -> Outcome:
    """Wait until an order is in one of these states."""

    async def reached() -> bool:
        found = await outcome(bus, order_id)
        return found is not None and found.state in states

    await bus.until(reached, 90)
    found = await outcome(bus, order_id)
    assert found is not None
    return found


async def test_a_paused_connector_stands_still_over_a_restart(bus: Any, population: Any, source: Source) -> None:
    """After `pause` nothing is published, not after a restart either; after `resume` everything since is, once."""
    population.grow(0, 20)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        await order(bus, "p", OrderKind.PAUSE)
        await until(bus, "p", OrderState.DONE)
        population.grow(20, 30)
    async with bus.running(source):
        assert (await bus.standing("population")).paused
        assert await bus.published("population") == 20
        await order(bus, "r", OrderKind.RESUME)
        await bus.until_published("population", 30)
    assert len(await bus.newest(PERSON)) == 30
    await bus.assert_unique(PERSON)
    assert [one.state for one in (await bus.standing("population")).orders] == [OrderState.DONE] * 2


async def test_a_snapshot_is_read_anew_and_erases_what_is_gone(bus: Any, population: Any, source: Source) -> None:
    """An ordered snapshot publishes every row once more, in a new epoch, and is noted as done when it is over."""
    population.grow(0, 1500)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        await order(bus, "s", OrderKind.SNAPSHOT)
        await until(bus, "s", OrderState.DONE)
        at = await bus.standing("population")
    assert (at.epoch, at.published) == (2, 3000)
    assert len(await bus.newest(PERSON)) == 1500
    await bus.assert_unique(PERSON)


async def test_a_range_of_keys_is_read_and_nothing_else(bus: Any, population: Any, source: Source) -> None:
    """A range, both ends included, is read by itself, in chunks, and what lies outside is not erased."""
    population.grow(0, 2600)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        bounds = ((f"{100:012d}",), (f"{2299:012d}",))
        await order(bus, "s", OrderKind.SNAPSHOT, (PERSON,), *bounds)
        await until(bus, "s", OrderState.DONE)
        assert await bus.published("population") == 2600 + 2200
    again = [one for one in await bus.changes(PERSON) if (one.header("ce_id") or "").startswith("population.2.s")]
    assert len(again) == 2200
    assert len(await bus.newest(PERSON)) == 2600


async def test_an_order_that_makes_no_sense_is_refused(bus: Any, population: Any, source: Source) -> None:
    """An unknown dataset, and a key that is none, are refused with a reason, and the flow goes on."""
    population.grow(0, 3)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        await order(bus, "a", OrderKind.SNAPSHOT, ("population.cat",))
        await order(bus, "b", OrderKind.SNAPSHOT, (PERSON,), ("1", "2"), None)
        assert "population.cat" in (await until(bus, "a", OrderState.REFUSED)).reason
        assert "so_dinh_danh" in (await until(bus, "b", OrderState.REFUSED)).reason
        population.grow(3, 4)
        await bus.until_published("population", 4)


async def test_a_reset_begins_anew(bus: Any, population: Any, source: Source) -> None:
    """A reset takes a new place in the history and reads everything; what is published agrees with the table."""
    population.grow(0, 40)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        await order(bus, "x", OrderKind.RESET)
        await until(bus, "x", OrderState.DONE)
        population.sql.execute("delete from citizen where so_dinh_danh = %s", (f"{7:012d}",))
        await bus.caught_up(source, "population")
    assert (await bus.standing("population")).epoch == 2
    assert {key: one["full_name"] for key, one in (await bus.newest(PERSON)).items()} == population.names()


async def test_kill_9_around_an_order_obeys_it_once(bus: Any, population: Any, source: Source, connectors: Any) -> None:
    """A connector killed at any moment of an ordered snapshot finishes it after its restart, and begins no second."""
    population.grow(0, 6000)
    process = connectors.start("population", dsn=population.dsn)
    await bus.caught_up(source, "population")
    await order(bus, "s", OrderKind.SNAPSHOT)
    await bus.until_published("population", 7000)
    process.kill()
    process.wait()
    connectors.start("population", dsn=population.dsn)
    await until(bus, "s", OrderState.DONE)
    at = await bus.standing("population")
    assert (at.epoch, at.published) == (2, 12_000)
    await bus.assert_unique(PERSON)
    await bus.caught_up(source, "population")
