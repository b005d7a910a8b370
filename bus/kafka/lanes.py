"""Which lanes are ours: one group member a process, that reads nothing and only learns its partitions.

A lane is moved in order: `gave_up` is awaited before the group goes on, so that a lane ends its transaction first. A
member that lost its lanes without a call is kept from harm by the fence of the next owner.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, polled
from bus.kafka.reach import closed, started

LanesChanged = Callable[[frozenset[int]], Awaitable[None]]

POLL_MS = 500
COMMIT_SECONDS = 5.0


class LaneMember(ConsumerRebalanceListener):
    """A member of the router's group; static, so that one that was killed gets its lanes back at its next start."""

    def __init__(  # noqa: PLR0913 - four words of Kafka, two callbacks, and who we are
        self,
        access: KafkaAccess,
        *,
        topic: str,
        group: str,
        instance: str,
        session_timeout_ms: int,
        heartbeat_ms: int,
        got: LanesChanged,
        gave_up: LanesChanged,
    ) -> None:
        self._topic = topic
        self._got = got
        self._gave_up = gave_up
        self._access = access
        self._consumer = AIOKafkaConsumer(
            **access.for_aiokafka(),
            group_id=group,
            group_instance_id=instance,
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=heartbeat_ms,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )

    async def start(self) -> None:
        """Join the group; the callbacks follow. Raises KafkaUnreachable."""
        await started(self._consumer, self._access)
        self._consumer.subscribe([self._topic], listener=self)

    async def run(self) -> None:
        """Stay a member until cancelled. Two processes of one name throw each other out in turn; fences keep order."""
        while True:
            await polled(self._consumer, POLL_MS)
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Leave the group, so that others have the lanes at once.

        A static member is not meant to leave by the client: its place is kept for the length of a session, in case it
        comes back. That is right for one that was killed, and wrong for one that was told to end (decision 0009). Only
        the inner parts of the client let it leave, by its member id.
        """
        coordinator = self._consumer._coordinator  # noqa: SLF001 - see above
        if coordinator is not None:
            coordinator._group_instance_id = None  # noqa: SLF001 - see above
        await closed(self._consumer)

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Tell the group where its lanes stand, so that ordinary lag tools can see it; nothing while it rebalances.

        These offsets are told and never asked: a lane starts from its own position. They may name topics that the
        member does not read, which only the inner parts of the client let it say. Raises the client's KafkaError.
        """
        subscription = self._consumer._subscription.subscription  # noqa: SLF001 - see above
        coordinator = self._consumer._coordinator  # noqa: SLF001 - see above
        if coordinator is None or subscription is None or subscription.assignment is None or not offsets:
            return
        told = {TopicPartition(*place): OffsetAndMetadata(offset, "") for place, offset in offsets.items()}
        with contextlib.suppress(CommitFailedError, TimeoutError):  # the group is on the move: the next second will do
            async with asyncio.timeout(COMMIT_SECONDS):
                await coordinator.commit_offsets(subscription.assignment, told)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by the client before the group is joined again."""
        lanes = frozenset(place.partition for place in revoked)
        if lanes:
            await self._gave_up(lanes)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by the client once the group has agreed."""
        places = list(assigned)
        if places:
            self._consumer.pause(*places)  # what lies there is read by the lane itself
            await self._got(frozenset(place.partition for place in places))
