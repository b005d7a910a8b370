"""Whether all that may come finds room: a dead letter must never be refused, or its lane would stand for ever."""

from collections.abc import Iterable, Mapping

from bus.errors import TopicTooNarrow
from bus.kafka.admin import Admin
from bus.telemetry import Event, emit
from bus.topics import Topics


async def check_room(admin: Admin, topics: Topics, datasets: Iterable[str]) -> None:
    """Refuse to start where a dead letter could be too large for its topic. Raises TopicTooNarrow."""
    sources = [topics.changes(dataset) for dataset in datasets]
    found = await admin.largest_records([*sources, topics.deadletters])
    unknown = {*sources, topics.deadletters} - found.keys()
    if unknown:
        emit(Event.LIMITS_UNKNOWN, topics=sorted(unknown))
    check_limits(found, topics.deadletters)


def check_limits(limits: Mapping[str, int], deadletters: str) -> None:
    """Return when dead letters find room, or when too little is known of the limits, which are told by topic.

    Twice a source's limit leaves room for headers, and for a record that came compressed. Raises TopicTooNarrow.
    """
    sources = {topic: limit for topic, limit in limits.items() if topic != deadletters}
    if deadletters not in limits or not sources:
        return
    widest = max(sources, key=lambda topic: sources[topic])
    if limits[deadletters] < 2 * sources[widest]:
        reason = f"{widest} takes up to {sources[widest]}, and a dead letter adds where it came from"
        raise TopicTooNarrow(topic=deadletters, found=limits[deadletters], needed=2 * sources[widest], reason=reason)
