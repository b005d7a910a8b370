"""A recipient's client: what was released to it and erased from it, decoded, at least once, in order by key.

It runs at the recipient, under the recipient's own Kafka user, and needs nothing else of the bus.
"""

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import stamina

from bus.avro.client import SchemaRegistryClient
from bus.clock import monotonic
from bus.deliver.arrival import Arrival, arrival_of
from bus.errors import KafkaUnreachable, NoSuchFlow, SchemaRegistryUnreachable, TopicForbidden
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
LOOK_SECONDS = 30.0
"""How often it is seen whether there are new flows: one that begins is read at most so much later."""

REGISTRY_PATIENCE_SECONDS = 60.0


class Subscription:
    """An async iterator over arrivals; `batches` gives them a few hundred at a time.

    What was given counts as done when the next is asked for, and is given again after a crash: order by key is kept,
    but a repetition goes back in time. `bus.subscribe.Table` holds against that, and so does any store that keeps the
    place (topic, partition, offset) in the transaction of what it keeps.
    """

    def __init__(
        self, reader: GroupReader, wanted: "Wanted", agreements: dict[str, str], client: SchemaRegistryClient, user: str
    ) -> None:
        self._reader = reader
        self._wanted = wanted
        self._agreements = agreements
        self._client = client
        self._user = user
        self._looked_at = monotonic()

    async def __aiter__(self) -> AsyncIterator[Arrival]:
        async for batch in self.batches():
            for one in batch:
                yield one

    async def batches(self) -> AsyncIterator[tuple[Arrival, ...]]:
        """What is at hand, in order within each partition, for ever.

        Raises AwayTooLong, CopyTooOld, TopicForbidden, and RecordUnreadable for bytes that nobody can read: nothing is
        passed over.
        """
        while True:
            if monotonic() - self._looked_at >= LOOK_SECONDS:
                await self._look()
            try:
                records = await self._reader.poll(POLL_MS, RECORDS_AT_ONCE)
            except TopicAuthorizationFailedError as error:
                raise TopicForbidden(user=self._user, topics=", ".join(self._agreements)) from error
            if records:
                yield tuple([await self._arrival(record) for record in records])
            await self._reader.done()

    async def _look(self) -> None:
        """Take up flows that have begun: a new major version of an agreement has a topic of its own."""
        self._looked_at = monotonic()
        with contextlib.suppress(KafkaUnreachable):  # the reader tells by itself when that lasts
            seen = self._wanted.among(await self._reader.visible())
            if seen.keys() - self._agreements.keys():
                self._agreements |= seen
                await self._reader.read_too(self._agreements)

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
    Flows that begin later are taken up too, a new major version of an agreement above all. Raises NoSuchFlow,
    KafkaUnreachable.
    """
    wanted = Wanted(topics, agency, frozenset(agreements))
    chosen = wanted.among(await Admin(access).topics())
    if not chosen or wanted.agreements - set(chosen.values()):
        lacking = ", ".join(sorted(wanted.agreements - set(chosen.values()))) or "any agreement"
        raise NoSuchFlow(agency=agency, agreements=lacking)
    reader = GroupReader(access, f"{topics.agency_prefix(agency)}{group}", chosen, begin)
    try:
        await reader.start()
        yield Subscription(reader, wanted, chosen, client, access.username or "nobody")
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a recipient subscribes to: some of an agency's agreements, or all of them where none is named."""

    topics: Topics
    agency: str
    agreements: frozenset[str]

    def among(self, visible: Iterable[str]) -> dict[str, str]:
        """Its topics among those that a user sees, every major version, each with its agreement."""
        pattern = re.compile(rf"{re.escape(self.topics.agency_prefix(self.agency))}([^.]+)\.v\d+")
        named = ((topic, pattern.fullmatch(topic)) for topic in sorted(visible))
        flows = {topic: found[1] for topic, found in named if found}
        return {topic: name for topic, name in flows.items() if not self.agreements or name in self.agreements}
