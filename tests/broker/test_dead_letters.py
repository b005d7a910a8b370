"""What becomes of dead letters by an operator's orders, on a real broker and through the commands themselves."""

import pytest

from bus.avro.frame import frame
from bus.kafka.admin import Admin
from bus.model.key import lane_of
from bus.model.record import Outgoing
from bus.watch.letter_orders import AT_ONCE
from tests.broker.conftest import PERSON, SmallBus
from tests.broker.test_operators import AN, TAX, call, people, poison, register_the_schema, told, until_told

pytestmark = pytest.mark.broker


async def test_release_a_dead_letter(bus: SmallBus) -> None:
    """A letter that still cannot be read stays open; once it can, it is judged, once, though the router is killed."""
    await bus.activate(TAX)
    await bus.route()
    letter, schema_id = await poison(bus)
    shown = await call("deadletter", "show", letter)
    assert "SchemaUnknown" in shown.stdout
    assert AN not in shown.stdout
    assert AN in (await call("deadletter", "show", letter, "--value")).stdout
    answer = await call("deadletter", "release", letter, "--reason", "a test")
    assert (answer.code, "still-unreadable" in answer.stdout) == (1, True), answer.stderr
    await register_the_schema(bus, schema_id)
    bus.kill()
    assert bus.held(TAX) == {}
    done = await told("deadletter", "release", letter, "--reason", "its schema is there")
    assert done["outcome"] == "released"
    bus.kill()
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the released record")
    await bus.publish(await bus.person(people(1)[0]))
    await bus.until(lambda: len(bus.held(TAX)) == 2, "what came after it")
    assert len(bus.read(bus.agency_topic(TAX))) == 2
    assert await told("deadletter", "list") == []
    (closed,) = await told("deadletter", "list", "--closed")
    assert (closed["closed"]["outcome"], closed["closed"]["reason"]) == ("released", "its schema is there")
    again = await call("deadletter", "release", letter, "--reason", "a test")
    assert "was closed: released" in again.stderr


async def test_superseded_and_discarded(bus: SmallBus) -> None:
    """A letter whose record came in a newer version is closed as superseded; a discarded one never flows."""
    await bus.activate(TAX)
    await bus.route()
    letter, schema_id = await poison(bus)
    await bus.publish(await bus.person(AN, full_name="Trần Thị Bình"))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the newer version")
    await register_the_schema(bus, schema_id)
    assert (await told("deadletter", "release", letter, "--reason", "a test"))["outcome"] == "superseded"
    junk = bus.change(PERSON, people(1)[0], b"this is no Avro")
    await bus.publish(junk)
    (open_letter,) = await until_told(lambda found: len(found) == 1, "deadletter", "list")
    assert open_letter["lane"] == lane_of(people(1)[0], bus.settings.lanes)
    done = await told("deadletter", "discard", open_letter["letter"], "--reason", "a test")
    assert done["outcome"] == "discarded"
    assert await told("deadletter", "list") == []
    assert len(bus.read(bus.agency_topic(TAX))) == 1


async def test_many_are_released_and_discarded_together(bus: SmallBus) -> None:
    """Letters that are chosen by their reason are all released once they can be read; the rest is left, and discarded.

    More lie in a lane than it is given at once.
    """
    await bus.activate(TAX)
    await bus.route()
    first, schema_id = await poison(bus)
    lane = int(first.partition(":")[0])
    beside = [one for one in people(300) if lane_of(one, bus.settings.lanes) == lane][: AT_ONCE + 2]
    body = frame(schema_id, ((await bus.person(AN)).value or b"")[5:])
    await bus.publish(*[bus.change(PERSON, one, body) for one in beside])
    await bus.publish(*[bus.change(PERSON, one, b"this is no Avro") for one in people(3)])
    await until_told(lambda found: len(found) == AT_ONCE + 6, "deadletter", "list", "--dataset", PERSON)
    await register_the_schema(bus, schema_id)
    order = ("--why", "SchemaUnknown", "--reason", "its schema is there", "--yes")
    assert (await told("deadletter", "release", *order))["outcomes"] == {"released": AT_ONCE + 3}
    assert len(bus.held(TAX)) == AT_ONCE + 3
    (left,) = await told("deadletter", "list", "--count")
    assert (left["letters"], left["reason"], left["dataset"]) == (3, "RecordUnreadable", PERSON)
    answer = await call("deadletter", "discard", "--since", left["first_at"], "--reason", "a test", "--yes")
    assert answer.stdout.startswith("3 discarded: ")
    assert (await call("deadletter", "list")).stdout == "No dead letter waits.\n"


async def test_what_a_connector_sets_aside_is_never_released(bus: SmallBus) -> None:
    """A letter of a connector is listed and can be discarded: one that says it is another's record is not taken for it.

    Whoever held the key of any connector could have had a record of its own making released in that one's place.
    """
    await bus.activate(TAX)
    await bus.route()
    letter, _ = await poison(bus)
    (real,) = bus.read(bus.topics.deadletters)
    await Admin(bus.access).ensure_topics(bus.topics.connector_specs("shop"))
    forged = await bus.person(AN, full_name="Somebody Else")
    topic = bus.topics.deadletters_of("shop")
    await bus.publish(Outgoing(topic, real.partition, real.key, forged.value, real.headers))
    found = await until_told(lambda found: len(found) == 2, "deadletter", "list")
    assert [one["letter"] for one in found] == [letter, f"shop/{letter}"]  # at the same place, each in its topic
    shown = await call("deadletter", "show", f"shop/{letter}", "--value")
    assert "Somebody Else" in shown.stdout
    answer = await call("deadletter", "release", f"shop/{letter}", "--reason", "a test")
    assert (answer.code, "no-change" in answer.stdout) == (1, True), answer
    assert bus.read(bus.agency_topic(TAX)) == []
    done = await told("deadletter", "discard", f"shop/{letter}", "--reason", "a test")
    assert done["outcome"] == "discarded"
    assert [one["letter"] for one in await told("deadletter", "list")] == [letter]
    answer = await call("deadletter", "show", f"nobody/{letter}")
    assert f"no dead letter named nobody/{letter}" in answer.stderr
