"""Every consent, folded, and where each event lies: what this process knows from `consents`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bus.avro.own import OwnMessages
from bus.consent.fold import NEVER, fold, fold_unreadable
from bus.consent.messages import consent_event, pair_of
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.model.consent import Consent, ConsentAction, ConsentEvent
from bus.model.record import Incoming
from bus.telemetry import Event, emit


@dataclass(frozen=True, slots=True)
class Entered:
    """Where a consent event lies, and what it was about: its lane is the partition."""

    subject: str
    agreement: str
    action: ConsentAction
    partition: int
    offset: int


class Ledger:
    """The fold of `consents`, by the rules that the router folds by."""

    def __init__(self, messages: OwnMessages) -> None:
        self._messages = messages
        self._standings: defaultdict[str, dict[str, Consent]] = defaultdict(dict)
        self._entered: dict[str, Entered] = {}
        self._coming: dict[str, ConsentEvent] = {}

    def standing(self, subject: str, agreement: str) -> Consent:
        """How a person stands to one agreement."""
        return self.standings(subject).get(agreement, NEVER)

    def standings(self, subject: str) -> Mapping[str, Consent]:
        """How a person stands to every agreement that they ever acted on."""
        return self._standings.get(subject, {})

    def entered(self, event_id: str) -> Entered | None:
        """Where an event lies; of one that was sent more than once, the first, for that one counts."""
        return self._entered.get(event_id)

    def coming(self, event_id: str) -> ConsentEvent | None:
        """The event of that id that this process is writing, or has written and not read back yet."""
        return self._coming.get(event_id)

    def expect(self, events: Iterable[ConsentEvent]) -> None:
        """They are about to be written."""
        self._coming |= {event.event_id: event for event in events}

    def expect_no_more(self, events: Iterable[ConsentEvent]) -> None:
        """Nobody knows whether they were written."""
        for event in events:
            self._coming.pop(event.event_id, None)

    async def apply(self, record: Incoming) -> None:
        """Take one record in. Raises what can pass, such as SchemaRegistryUnreachable; then nothing has changed."""
        pair = pair_of(record.key)
        if pair is None:
            _report(record)
            return
        subject, agreement = pair
        standings = self._standings[subject]
        before = standings.get(agreement, NEVER)
        try:
            event: ConsentEvent | None = consent_event(await self._messages.decode(record.value or b""))
        except (ValueError, KeyError, RecordUnreadable, SchemaUnknown):
            event = None
        if event is None or (event.subject, event.agreement) != (subject, agreement):
            _report(record)
            standings[agreement] = fold_unreadable(before, record.timestamp_ms)
            return
        standings[agreement] = fold(before, event)
        entered = Entered(subject, agreement, event.action, record.partition, record.offset)
        self._entered.setdefault(event.event_id, entered)
        self._coming.pop(event.event_id, None)


def _report(record: Incoming) -> None:
    emit(Event.CONSENT_UNREADABLE, partition=record.partition, offset=record.offset)
