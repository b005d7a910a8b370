"""What a connector recalls at its start, beside others that are at work in the same topic."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bus.avro.own import OwnMessages
from bus.connect.known import Known
from bus.connect.recall import read_epoch, read_known, read_stale, read_standing, read_standings, take_over
from bus.connect.standing import Standing, to_message
from bus.kafka.admin import Admin
from bus.kafka.log import Place
from bus.kafka.transactions import TransactionalWriter
from bus.model.key import RecordKey
from bus.model.record import Outgoing
from bus.topics import COMPACTED, TopicSpec

pytestmark = [pytest.mark.broker]

PERSON = "population.person"
CONTRACT: Any = SimpleNamespace(mapper=SimpleNamespace(dataset=SimpleNamespace(subject="citizen_id")))


async def test_a_standing_is_taken_over_that_lies_behind_what_another_has_begun(bus: Any) -> None:
    """A connector goes on where it stood as all shared a topic, also where another was killed within its transaction.

    What is committed behind the beginning of an open transaction cannot be read before that is over.
    """
    own, topic = OwnMessages(bus.client), bus.topics.shared_positions
    await own.prepare()
    await Admin(bus.access).ensure_topics([TopicSpec(topic, 1, COMPACTED), *bus.topics.connector_specs("mine")])
    value = own.encode("position", to_message(Standing("mine", epoch=7), 0))
    other = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-other")
    mine = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-mine")
    try:
        await asyncio.gather(other.start(), mine.start())
        await other._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await other._send([Outgoing(topic, 0, b"other", value)])
        await mine.commit([Outgoing(topic, 0, b"mine", value)])
        taking = asyncio.ensure_future(take_over(bus.reach, own, mine, "mine"))
        await asyncio.wait({taking}, timeout=1)
        await other._abort()
        standing = await taking
    finally:
        await asyncio.gather(other.stop(), mine.stop())
    assert standing == await read_standing(bus.reach, own, "mine")
    assert standing is not None
    assert standing.epoch == 7


async def test_who_stood_in_the_shared_topic_begins_nothing_anew(bus: Any) -> None:
    """A standing is told from the shared topic until it is taken over, and never again from there afterwards."""
    own, topics = OwnMessages(bus.client), bus.topics
    await own.prepare()
    shared = TopicSpec(topics.shared_positions, 1, COMPACTED)
    await Admin(bus.access).ensure_topics([shared, *topics.connector_specs("mine"), *topics.connector_specs("other")])
    old, new, forged = (own.encode("position", to_message(Standing("mine", epoch=n), 0)) for n in (7, 8, 9))
    mine = TransactionalWriter(bus.access, f"{topics.prefix}connector-mine")
    epochs = []

    async def look() -> None:
        epochs.append({name: one.epoch for name, (one, _) in (await read_standings(bus.reach, own, wait=True)).items()})

    try:
        await mine.start()
        await mine.commit([Outgoing(topics.positions("other"), 0, b"mine", forged)])
        await look()
        await mine.commit([Outgoing(shared.name, 0, b"mine", old)])
        await look()
        await take_over(bus.reach, own, mine, "mine")
        await mine.commit([Outgoing(topics.positions("mine"), 0, b"mine", new), Outgoing(shared.name, 0, b"mine", old)])
        await look()
    finally:
        await mine.stop()
    assert epochs == [{}, {"mine": 7}, {"mine": 8}]


async def test_what_no_connector_wrote_stops_none(bus: Any) -> None:
    """Any connector may have written into the shared topic, and a tool of Kafka into a dataset: all start all the same.

    What lies there under no proper key, or cannot be read, is nobody's standing and nobody's record.
    """
    own, topic, known = OwnMessages(bus.client), bus.topics.changes(PERSON), Known()
    await own.prepare()
    shared = TopicSpec(bus.topics.shared_positions, 1, COMPACTED)
    await Admin(bus.access).ensure_topics([shared, *bus.topics.connector_specs("mine")])
    value = own.encode("position", to_message(Standing("mine", epoch=7), 0))
    about = dict.fromkeys(("command_id", "kind", "outcome", "by", "reason", "connector"), "x")
    other = own.encode("completion", about | dict.fromkeys(("lane", "offset", "asked_at", "at", "block"), 0))
    mine = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-mine")
    try:
        await mine.start()
        garbage = [(b"\xff", value), (b"a", b"\0"), (b"b", b"\0\0\0\0\0"), (b"c", other)]
        own_topic, places = bus.topics.positions("mine"), (bus.topics.positions("mine"), shared.name)
        positions = [Outgoing(own_topic, 0, b"mine", value)]
        positions += [Outgoing(place, 0, key, said) for place in places for key, said in garbage]
        nameless = [read_in(1, topic, key) for key in (b"1/1", b"\xff/1", b"1", b"/1", b"1/")]
        await mine.commit([*positions, *nameless])
    finally:
        await mine.stop()
    standing = await read_standing(bus.reach, own, "mine")
    assert standing is not None
    assert standing.epoch == 7
    assert list(await read_standings(bus.reach, own)) == ["mine"]
    await read_known(bus.reach, PERSON, CONTRACT, known)
    assert known.missing(PERSON, set()) == [RecordKey("1", "1")]
    stale = await read_stale(bus.reach, PERSON, CONTRACT, Standing("population", epoch=2), {})
    assert [key.encode() for key in stale] == [b"1/1"]


async def test_what_was_just_read_anew_is_not_taken_for_gone(bus: Any) -> None:
    """A commit is answered before its markers lie in every partition; a sweep that looked meanwhile erased live rows.

    Until its marker is there, a committed transaction is to a reader what one is that was not ended.
    """
    topic = bus.topics.changes(PERSON)
    mine = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-mine")
    try:
        await mine.start()
        await mine.commit([read_in(1, topic, b"1/1"), read_in(1, topic, b"2/2")])
        await mine._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await mine._send([read_in(2, topic, b"1/1")])
        standing = Standing("population", epoch=2)
        looking = asyncio.ensure_future(read_stale(bus.reach, PERSON, CONTRACT, standing, mine.written))
        await asyncio.wait({looking}, timeout=1)
        await mine._producer.commit_transaction()
        stale = await looking
    finally:
        await mine.stop()
    assert [key.encode() for key in stale] == [b"2/2"]


async def test_what_is_known_to_be_read_anew_is_waited_for(bus: Any) -> None:
    """A broker that hung while another took its place tells an old end: a sweep believes its own commits instead.

    What was committed here meanwhile is not there yet when it is asked.
    """
    topic = bus.topics.changes(PERSON)
    mine = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-mine")
    try:
        await mine.start()
        await mine.commit([read_in(1, topic, b"1/1"), read_in(1, topic, b"2/2")])
        marker = mine.written[Place(topic, 0)] + 1
        standing, written = Standing("population", epoch=2), {Place(topic, 0): marker + 1}
        looking = asyncio.ensure_future(read_stale(bus.reach, PERSON, CONTRACT, standing, written))
        await asyncio.wait({looking}, timeout=1)
        await mine.commit([read_in(2, topic, b"1/1")])
        stale = await looking
    finally:
        await mine.stop()
    assert mine.written[Place(topic, 0)] == marker + 1
    assert [key.encode() for key in stale] == [b"2/2"]


async def test_what_another_connector_has_just_published_is_known(bus: Any) -> None:
    """A dataset that came to another connector is known to it whole: of what it missed none would see that it is gone.

    The one before was killed with its commit under way. Its epochs are not begun again either.
    """
    topic, known = bus.topics.changes(PERSON), Known()
    former = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-former")
    try:
        await former.start()
        await former.commit([read_in(1, topic, b"1/1")])
        await former._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await former._send([read_in(2, topic, b"2/2")])
        both = asyncio.gather(read_known(bus.reach, PERSON, CONTRACT, known), read_epoch(bus.reach, [PERSON]))
        await asyncio.wait({both}, timeout=1)
        await former._producer.commit_transaction()
        _, epoch = await both
    finally:
        await former.stop()
    assert known.missing(PERSON, set()) == [RecordKey("1", "1"), RecordKey("2", "2")]
    assert epoch == 2


def read_in(epoch: int, topic: str, name: bytes) -> Outgoing:
    """A row that was published in this epoch."""
    return Outgoing(topic, 0, name, b"row", (("ce_id", b"population.%d.s0.0" % epoch),))
