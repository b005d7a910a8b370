"""Reaching a broker, or telling within seconds why not: the client itself would wait for much longer."""

import asyncio
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError, UnknownTopicOrPartitionError

from bus.clock import monotonic
from bus.errors import KafkaUnreachable, RightMissing, TopicGone
from bus.kafka.access import KafkaAccess
from bus.kafka.addresses import SideBySide
from bus.kafka.words import REFUSED, said

PATIENCE_SECONDS = 10.0
"""How long a broker may take to answer who connects; one that takes the connection and says nothing else is given up.
"""

GRANTED_SECONDS = 2.0
"""A right that was given just now is known to every broker after this long."""

KNOWN_SECONDS = 30.0
"""A password that was set just now is known to the broker after this long."""

PARTING_SECONDS = 1.0
"""How long a writer that ends goes on sending what waits."""

AGAIN_SECONDS = 0.1
"""A client's task that goes on for so long after it was told to end has not heard of it."""


class Client(Protocol):
    """Any client of aiokafka, before its start."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Close."""


async def started(client: Client, access: KafkaAccess) -> None:
    """Start a client. Raises KafkaUnreachable, RightMissing, with the client stopped."""
    if isinstance(client, AIOKafkaConsumer | AIOKafkaProducer):
        side_by_side(client._client if isinstance(client, AIOKafkaConsumer) else client.client)  # noqa: SLF001
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.start()
    except ClusterAuthorizationFailedError as error:
        await client.stop()
        raise RightMissing(user=access.username, what="write", bootstrap=access.bootstrap) from error
    except (KafkaConnectionError, TimeoutError) as error:
        await client.stop()
        raise unreachable(access, error) from error


def side_by_side(client: AIOKafkaClient) -> None:
    """Have a client that has not started ask several addresses together, within our patience."""
    if len(client.hosts) > 1:
        client.bootstrap = SideBySide(client, PATIENCE_SECONDS * 0.9).bootstrap  # type: ignore[method-assign]  # its own


async def closed(consumer: AIOKafkaConsumer) -> None:
    """Close a consumer. It cancels what it asks a broker that is gone, and lets that out as if we were cancelled.

    Its task that fetches is ended here: where the consumer was just assigned anew, that task takes its own end for that
    of what it had asked before, goes on, and the consumer waits for it for ever.
    """
    fetching = consumer._fetcher and consumer._fetcher._fetch_task  # noqa: SLF001 - nothing else ends it
    while fetching and not fetching.done():
        fetching.cancel()
        await asyncio.wait({fetching}, timeout=AGAIN_SECONDS)
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()  # noqa: SLF001 - it did not come to that
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


async def parted(producer: AIOKafkaProducer) -> None:
    """Close a producer. An idempotent one sends what waits again for ever, and would stay as long as nobody answers.

    Then who waits for what was not sent is left to wait.
    """
    stopping = asyncio.ensure_future(producer.stop())
    if not (await asyncio.wait({stopping}, timeout=PARTING_SECONDS))[0]:
        sending = producer._sender.sender_task  # noqa: SLF001 - nothing else ends it
        for task in (stopping, sending):
            task.cancel()
        await producer.client.close()  # then who waits for an answer has none
        await asyncio.wait({stopping, sending}, timeout=PARTING_SECONDS)


async def require_answer(access: KafkaAccess) -> None:
    """Return if a broker answers and takes the user. Raises KafkaUnreachable.

    For confluent-kafka, which tries again and again without a word, be it that nobody listens or that the password is
    wrong.
    """
    client = AIOKafkaClient(**access.for_aiokafka())
    try:
        await answered(client, access)
    finally:
        await client.close()


async def require_known(access: KafkaAccess) -> None:
    """Wait until the broker takes a user whose password was just set. Raises KafkaUnreachable.

    A broker that is making some hundred partitions learns of a password seconds after it said that it is set. It learns
    of passwords in the order in which they were set.
    """
    deadline = monotonic() + KNOWN_SECONDS
    while True:
        try:
            return await require_answer(access)
        except KafkaUnreachable:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


async def answered(client: AIOKafkaClient, access: KafkaAccess) -> None:
    """Have a bare client of aiokafka learn what brokers there are. Raises KafkaUnreachable."""
    side_by_side(client)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.bootstrap()
    except (KafkaConnectionError, TimeoutError) as error:
        raise unreachable(access, error) from error


async def require_seen(client: AIOKafkaClient, access: KafkaAccess, topics: set[str]) -> None:
    """Have a client of aiokafka learn where topics lie. Raises RightMissing for those that the user may not see.

    Asked for their offsets, the client would look for them for 40 seconds, and then say that nobody answered. A topic
    that is not there is left to it: one that was just made may take its time.
    """
    deadline = monotonic() + GRANTED_SECONDS
    cluster = client.cluster
    while unknown := {topic for topic in topics if cluster.partitions_for_topic(topic) is None}:
        await client.set_topics(topics | client._topics)  # noqa: SLF001 - those that it follows already stay
        await client.force_metadata_update()
        hidden = sorted(unknown & cluster.unauthorized_topics)
        if not hidden:
            return
        if monotonic() > deadline:
            what = f"read {', '.join(hidden)}"
            raise RightMissing(user=access.username, what=what, bootstrap=access.bootstrap)
        await asyncio.sleep(0.1)


async def known(client: AIOKafkaClient, topic: str, bootstrap: str) -> None:
    """Have a client learn where a topic lies; no pause where it knows. Raises TopicGone, KafkaError."""
    try:
        await client._wait_on_metadata(topic)  # noqa: SLF001 - it also begins to ask for this topic
    except UnknownTopicOrPartitionError as error:
        if await client.force_metadata_update():  # and not for want of a broker
            raise TopicGone(topic=topic, bootstrap=bootstrap) from error
        raise


def unreachable(access: KafkaAccess, error: Exception) -> KafkaUnreachable:
    """Why a broker was not reached: one that refuses somebody, with who that was."""
    reason = f"no answer within {PATIENCE_SECONDS:.0f} s" if isinstance(error, TimeoutError) else said(error)
    reason = reason.replace(REFUSED, f"{REFUSED}: {access.username}")
    return KafkaUnreachable(bootstrap=access.bootstrap, reason=reason)
