"""Whether topics are still the ones that were read: one that was deleted and made anew begins at offset 0 again.

What lies below a lane's offset in the new one would be passed over without a word. Kafka gives each topic an id.
"""

import contextlib
from collections.abc import Iterable, Mapping

from bus.errors import KafkaUnreachable, TopicReplaced
from bus.kafka.admin import Admin


class Identities:
    """Of the topics that lanes read."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def learn(self, topics: Iterable[str]) -> dict[str, str]:
        """The id of each, as of now. Raises KafkaUnreachable."""
        return await self._admin.topic_ids(topics)

    async def require(self, read: Mapping[str, str]) -> None:
        """Return where no topic has another id than when it was read. Raises TopicReplaced, KafkaUnreachable.

        A broker that has just started may not know a topic yet. Of one that is really gone nothing can be read either.
        """
        now = await self._admin.topic_ids(read) if read else {}
        for topic, known in read.items():
            if now.get(topic, known) != known:
                raise TopicReplaced(topic=topic)

    async def look(self, read: Mapping[str, str]) -> None:
        """The same where a broker answers; one that does not is told by who reads from it. Raises TopicReplaced."""
        with contextlib.suppress(KafkaUnreachable):
            await self.require(read)
