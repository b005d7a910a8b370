"""What a connector recalls at its start, beside others that are at work in the same topic."""

import asyncio
from typing import Any

import pytest

from bus.avro.own import OwnMessages
from bus.connect.recall import read_standing
from bus.connect.standing import Standing, to_message
from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Outgoing

pytestmark = [pytest.mark.broker]


async def test_where_a_connector_stands_lies_behind_what_another_has_begun(bus: Any) -> None:
    """A connector that was killed within its transaction hides from no other where that one stands.

    What is committed behind the beginning of an open transaction cannot be read before that is over.
    """
    own, topic = OwnMessages(bus.client), bus.topics.positions
    await own.prepare()
    value = own.encode("position", to_message(Standing("mine", epoch=7), 0))
    other = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-other")
    mine = TransactionalWriter(bus.access, f"{bus.topics.prefix}connector-mine")
    try:
        await asyncio.gather(other.start(), mine.start())
        await other._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await other._send([Outgoing(topic, 0, b"other", value)])
        await mine.commit([Outgoing(topic, 0, b"mine", value)])
        reading = asyncio.ensure_future(read_standing(bus.reach, own, "mine"))
        await asyncio.wait({reading}, timeout=1)
        await other._abort()
        standing = await reading
    finally:
        await asyncio.gather(other.stop(), mine.stop())
    assert standing is not None
    assert standing.epoch == 7
