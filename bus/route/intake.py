"""What a lane took for one transaction, made of bytes into what its core is fed with."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from bus.avro.frame import BODY_START
from bus.consent.messages import consent_event, pair_of
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.model.change import Change
from bus.model.command import Ending
from bus.model.consent import ConsentEvent, UnreadableConsent
from bus.model.record import Incoming
from bus.route.batch import Inputs, Unreadable
from bus.route.commands import Command
from bus.route.load import change_of
from bus.route.orders import Orders
from bus.route.parts import Parts
from bus.telemetry import Event, emit


@dataclass(frozen=True, slots=True)
class Taken:
    """Records taken for one transaction, as read; `later_consents` as in `Inputs`."""

    consents: list[Incoming]
    changes: list[Incoming]
    consents_offset: int
    later_consents: list[Incoming] | None


class Intake:
    """Of one lane. What cannot be read is told apart by whether asking again would help: only for that it waits."""

    def __init__(self, lane: int, parts: Parts) -> None:
        self._lane = lane
        self._topics = parts.topics
        self._schemas = parts.schemas
        self._messages = parts.messages
        self._orders = Orders(parts.access, parts.topics, parts.messages)

    async def inputs(
        self, taken: Taken, has_subject: Mapping[str, bool], refused: AbstractSet[tuple[str, int]]
    ) -> Inputs:
        """All of it; `refused` are (topic, offset) of records whose release no broker took.

        Raises SchemaRegistryUnreachable.
        """
        prefix, orders = self._topics.changes_prefix, self._topics.commands
        changes = [record for record in taken.changes if record.topic != orders]
        wrong = await self._schemas.know_all(record.value for record in changes if record.value is not None)
        commands: list[Command] = []
        commands_offset = 0
        if len(changes) < len(taken.changes):
            given = [record for record in taken.changes if record.topic == orders]
            commands, commands_offset = await self._commands_of(given, has_subject, refused), given[-1].offset + 1
        return Inputs(
            consents=await self._consents_of(taken.consents),
            changes=[self._change_of(record, has_subject, refused, wrong) for record in changes],
            consents_offset=taken.consents_offset,
            input_offsets={record.topic.removeprefix(prefix): record.offset + 1 for record in changes},
            commands=commands,
            commands_offset=commands_offset,
            later_consents=None if taken.later_consents is None else await self._consents_of(taken.later_consents),
        )

    def _change_of(
        self,
        record: Incoming,
        has_subject: Mapping[str, bool],
        refused: AbstractSet[tuple[str, int]],
        wrong: Mapping[bytes, str],
    ) -> Change | Unreadable:
        change = change_of(record, self._topics, has_subject)
        if isinstance(change, Unreadable):
            return change
        if refused and (record.topic, record.offset) in refused:
            return Unreadable(record, "refused-by-broker", (change.dataset, change.key))
        if wrong and change.value is not None and change.value[:BODY_START] in wrong:
            return Unreadable(record, wrong[change.value[:BODY_START]], (change.dataset, change.key))
        return change

    async def _commands_of(
        self, given: list[Incoming], has_subject: Mapping[str, bool], refused: AbstractSet[tuple[str, int]]
    ) -> list[Command]:
        found = await self._orders.commands(given, has_subject)
        changes = [one.change for one in found if one is not None and one.change is not None]
        await self._schemas.know_all(change.value for change in changes if change.value is not None)
        return [
            replace(one, trouble=Ending.REFUSED) if (record.topic, record.offset) in refused else one
            for record, one in zip(given, found, strict=True)
            if one is not None
        ]

    async def _consents_of(self, records: list[Incoming]) -> list[ConsentEvent | UnreadableConsent]:
        return [event for record in records if (event := await self._consent_of(record)) is not None]

    async def _consent_of(self, record: Incoming) -> ConsentEvent | UnreadableConsent | None:
        pair = pair_of(record.key)
        if pair is None:
            emit(Event.CONSENT_UNREADABLE, lane=self._lane, offset=record.offset, key_readable=False)
            return None
        try:
            event: ConsentEvent | None = consent_event(await self._messages.decode(record.value or b""))
        except (RecordUnreadable, SchemaUnknown, KeyError, ValueError):
            event = None
        if event is None or (event.subject, event.agreement) != pair:
            emit(Event.CONSENT_UNREADABLE, lane=self._lane, offset=record.offset, key_readable=True)
            return UnreadableConsent(*pair, record.timestamp_ms)
        return event
