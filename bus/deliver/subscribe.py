"""A recipient's client: what was released to it and erased from it, decoded, at least once, in order by key.

It runs at the recipient, under the recipient's own Kafka user, and needs nothing else of the bus.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

import stamina

from bus.avro.client import SchemaRegistryClient
from bus.deliver.arrival import Arrival, arrival_of
from bus.errors import NoSuchFlow, SchemaRegistryUnreachable, TopicForbidden
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.group import Begin, GroupReader
from bus.kafka.log import TopicAuthorizationFailedError
from bus.kafka.rights import agency_user
from bus.model.record import Incoming
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics

POLL_MS = 500
RECORDS_AT_ONCE = 500
REGISTRY_PATIENCE_SECONDS = 60.0


class Subscription:
    """An async iterator over arrivals; `batches` gives them a few hundred at a time.

    What was given counts as done when the next is asked for, and is given again after a crash: order by key is kept,
    but a repetition goes back in time. `bus.subscribe.Table` holds against that, and so does any store that keeps the
    place (topic, partition, offset) in the transaction of what it keeps.
    """

    def __init__(
        self, reader: GroupReader, agreements: dict[str, str], client: SchemaRegistryClient, user: str | None = None
    ) -> None:
        self._reader = reader
        self._agreements = agreements
        self._client = client
        self._user = user

    async def __aiter__(self) -> AsyncIterator[Arrival]:
        async for batch in self.batches():
            for one in batch:
                yield one

    async def batches(self) -> AsyncIterator[tuple[Arrival, ...]]:
        """What is at hand, in order within each partition, for ever.

        Raises AwayTooLong, TopicForbidden, and RecordUnreadable for bytes that nobody can read: nothing is passed over.
        """
        while True:
            try:
                records = await self._reader.poll(POLL_MS, RECORDS_AT_ONCE)
            except TopicAuthorizationFailedError as error:
                raise TopicForbidden(user=self._user, topics=", ".join(self._agreements)) from error
            if records:
                yield tuple([await self._arrival(record) for record in records])
            await self._reader.done()

    async def _arrival(self, record: Incoming) -> Arrival:
        """The decoder is tried again in a block, not as a function: of a function the arguments would be logged."""
        async for attempt in stamina.retry_context(
            on=SchemaRegistryUnreachable, attempts=None, timeout=REGISTRY_PATIENCE_SECONDS
        ):
            with attempt:
                return await arrival_of(record, self._agreements[record.topic], self._client)
        raise AssertionError("the last attempt raises")


@asynccontextmanager
async def subscription(  # noqa: PLR0913 - each says one thing of its own
    access: KafkaAccess,
    client: SchemaRegistryClient,
    topics: Topics,
    agency: str,
    agreements: Iterable[str],
    *,
    group: str,
    begin: Begin | None = None,
) -> AsyncGenerator[Subscription, None]:
    """A subscription of an agency to agreements, all of its own where none is named, under a group of the agency's.

    `begin` says where the recipient's own store has come to, which then counts more than where the group stands.
    Raises NoSuchFlow, KafkaUnreachable.
    """
    flows = flow_topics(await Admin(access).topics(), topics, agency)
    wanted = set(agreements)
    chosen = {topic: agreement for topic, agreement in flows.items() if not wanted or agreement in wanted}
    if not chosen or wanted - set(chosen.values()):
        lacking = ", ".join(sorted(wanted - set(chosen.values()))) or "any agreement"
        raise NoSuchFlow(agency=agency, agreements=lacking)
    reader = GroupReader(access, f"{topics.agency_prefix(agency)}{group}", chosen, begin)
    try:
        await reader.start()
        yield Subscription(reader, chosen, client, access.username)
    finally:
        await reader.stop()


@asynccontextmanager
async def subscribe(
    agency: str, *agreements: str, group: str, begin: Begin | None = None
) -> AsyncGenerator[Subscription, None]:
    """`subscription`, with what the environment says.

    That is BUS_KAFKA, BUS_SCHEMA_REGISTRY, the agency's own user and password at either, and BUS_PREFIX; what is not
    named there is looked for in BUS_HOME. Raises what `subscription` raises.
    """
    settings = Settings()
    home = Home.from_settings(settings)
    if not settings.kafka and not home.has_secret(f"users/{agency_user(agency)}"):
        raise NoSuchFlow(agency=agency, agreements="any agreement")
    access = kafka_access(settings, KafkaSettings(), home, agency_user(agency))
    topics = Topics(settings.prefix, settings.lanes)
    async with (
        SchemaRegistryClient.from_settings(settings, home) as client,
        subscription(access, client, topics, agency, agreements, group=group, begin=begin) as found,
    ):
        yield found


def flow_topics(visible: Iterable[str], topics: Topics, agency: str) -> dict[str, str]:
    """The agency's topics among those that a user sees, every major version, each with its agreement."""
    pattern = re.compile(rf"{re.escape(topics.agency_prefix(agency))}([^.]+)\.v\d+")
    named = ((topic, pattern.fullmatch(topic)) for topic in sorted(visible))
    return {topic: found[1] for topic, found in named if found}
