"""Commands as the shell of a lane meets them: decoded, with the dead letter that each of them names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bus.avro.own import Message, OwnMessages
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, records_at
from bus.model.change import Change
from bus.model.command import LANE_ORDER, CommandKind, Ending
from bus.model.record import Incoming
from bus.route.commands import CUT_FROM, Command
from bus.route.load import change_of
from bus.telemetry import Event, emit
from bus.topics import Topics

MOST_BYTES = 300_000
"""Of an order: what became of it repeats what it says, its name twice, and must find room in `status` all the same."""

_OFFSET = re.compile(r"[0-9]{1,18}\Z")


class Orders:
    """Turns records of `commands` into commands. Those taken together look their letters up on one connection."""

    def __init__(self, access: KafkaAccess, topics: Topics, messages: OwnMessages) -> None:
        self._access = access
        self._topics = topics
        self._messages = messages

    async def commands(self, records: Sequence[Incoming], has_subject: Mapping[str, bool]) -> list[Command | None]:
        """The order in each record; None for one to a connector, and for one that cannot be read, which is reported."""
        orders = [await self._order(record) for record in records]
        lane, asked = records[0].partition, {one.letter for one in orders if one is not None and not one.connector}
        letters = await records_at(self._access, Place(self._topics.deadletters, lane), asked) if asked else {}
        return [None if one is None else self._of_letter(one, letters, has_subject) for one in orders]

    async def _order(self, record: Incoming) -> Command | None:
        """The order alone."""
        if not (record.key or b"").startswith(LANE_ORDER):
            return None
        try:
            if len(record.value or b"") > MOST_BYTES:
                raise ValueError("nobody could be told what became of it")  # noqa: TRY301 - told as one that is no order
            message = await self._messages.decode(record.value or b"")
            return _order(message)
        except (RecordUnreadable, SchemaUnknown, KeyError, ValueError) as error:
            emit(Event.COMMAND_UNREADABLE, lane=record.partition, offset=record.offset, reason=type(error).__name__)
            return None

    def _of_letter(self, order: Command, letters: Mapping[int, Incoming], has_subject: Mapping[str, bool]) -> Command:
        """The order with the letter that it names."""
        if order.connector:  # what it says of a letter's origin nobody can check: there is nothing to release
            return order
        letter = letters.get(order.letter)
        if letter is None:
            return replace(order, trouble=Ending.NOT_FOUND)
        return replace(order, change=self._change(letter, has_subject))

    def _change(self, letter: Incoming, has_subject: Mapping[str, bool]) -> Change | None:
        """The change that the letter was to be; None for what a connector set aside, is cut, or has no readable key.

        Any connector could once write letters, and whatever stands in this one must not stop the lane.
        """
        topic, _, offset = ["", "", *(letter.header("dead-origin") or "").split("/")][-3:]
        dataset = topic.removeprefix(self._topics.changes_prefix)
        if not topic.startswith(self._topics.changes_prefix) or dataset not in has_subject or not _OFFSET.match(offset):
            return None
        if any(name == CUT_FROM for name, _ in letter.headers):
            return None
        headers = tuple(one for one in letter.headers if not one[0].startswith("dead-"))
        origin = Incoming(topic, letter.partition, int(offset), letter.timestamp_ms, letter.key, letter.value, headers)
        change = change_of(origin, self._topics, has_subject)
        return change if isinstance(change, Change) else None


def _order(message: Message) -> Command:
    """The order itself, before its letter is looked up. Raises KeyError, ValueError for what is none.

    Whoever writes to Kafka chooses the schema: where a type is another, nobody could be told what became of it.
    """
    order = Command(
        command_id=message["command_id"],
        kind=CommandKind(message["kind"]),
        letter=message["offset"],
        by=message["by"],
        reason=message["reason"],
        at_ms=message["at"],
        connector=message.get("connector", ""),  # an older order knows of one topic only
    )
    texts, numbers = (order.command_id, order.by, order.reason, order.connector), (order.letter, order.at_ms)
    if {*map(type, texts)} != {str} or {*map(type, numbers)} != {int}:
        raise ValueError("a part of it is of another type")
    return order
