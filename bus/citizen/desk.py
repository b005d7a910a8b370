"""What the consent API does, without HTTP: take acts, say what has taken effect, show how a person stands."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bus import clock
from bus.avro.own import OwnMessages
from bus.citizen.admission import admit
from bus.citizen.follow import Effects, Follower
from bus.citizen.ledger import Ledger
from bus.citizen.request import Act
from bus.citizen.standing import standings_of
from bus.consent.messages import consent_message
from bus.errors import NotNow
from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogWriter, Place
from bus.model.consent import ConsentAction, ConsentEvent
from bus.model.key import lane_of
from bus.model.record import Outgoing
from bus.register.log import Register
from bus.register.state import RegisterState
from bus.telemetry import Event, emit
from bus.topics import Topics

ANSWER_SECONDS = 10.0
"""How long the broker may take before a caller is told to try again."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A consent event that lies in its topic. Pending until the lane `partition` has passed `offset`."""

    event_id: str
    partition: int
    offset: int
    effective: bool = False

    @property
    def state(self) -> str:
        """In a word."""
        return "effective" if self.effective else "pending"


class ConsentDesk:
    """The service behind the API; `start` before anything else."""

    def __init__(self, access: KafkaAccess, topics: Topics, messages: OwnMessages) -> None:
        self._topics = topics
        self._messages = messages
        self._register = Register(access, topics, messages)
        self._writer = LogWriter(access)
        self._ledger = Ledger(messages)
        self._effects = Effects(messages, topics.consents)
        self._follower = Follower(access, topics, self._ledger.apply, self._effects)
        self._readings: set[asyncio.Task[RegisterState]] = set()
        self._closing = False

    async def start(self) -> None:
        """Connect and read everything. Raises BusNotFounded, BusMismatch, KafkaUnreachable."""
        await self._register.start()
        await self._writer.start()
        await self._follower.start()

    async def stop(self) -> None:
        """Send what waits, and close the connections."""
        await asyncio.gather(*self._readings, return_exceptions=True)
        await self._follower.stop()
        await self._writer.stop()
        await self._register.stop()

    def close(self) -> None:
        """Let nobody wait any longer: the process is about to end."""
        self._closing = True

    @property
    def is_well(self) -> bool:
        """Whether consents and positions are being read."""
        return self._follower.is_well

    @property
    def lanes(self) -> int:
        """How many lanes the bus has."""
        return self._topics.lanes

    async def take(self, acts: Sequence[Act], *, listed: bool) -> list[Taken]:
        """Write acts as consent events, all or none of what is refused. Raises ActsRefused, NotNow, KafkaError."""
        state = await self._rules()
        events = admit(acts, state, self._ledger, clock.now_ms(), listed=listed)
        records = [self._record(event) for event in events]
        offsets = await self._append(events, records)
        emit(Event.CONSENTS_TAKEN, count=len(events), withdrawals=_withdrawals(events))
        return [
            Taken(event.event_id, record.partition, offset)
            for event, record, offset in zip(events, records, offsets, strict=True)
        ]

    async def _append(self, events: Sequence[ConsentEvent], records: Sequence[Outgoing]) -> list[int]:
        self._ledger.expect(events)
        try:
            return await self._writer.append_all(records)
        except BaseException:
            self._ledger.expect_no_more(events)
            raise

    async def effective(self, partition: int, offset: int, wait_seconds: float) -> bool:
        """Whether the event at an offset of `consents` has taken effect; waits for it, not beyond a deadline."""
        return await self._until(lambda: self._effects.is_effective(partition, offset), wait_seconds)

    async def event(self, event_id: str, wait_seconds: float) -> Taken | None:
        """Where an event lies and whether it has taken effect; None for one that is not known."""
        await self._until(lambda: self._ledger.entered(event_id) is not None, wait_seconds)
        entered = self._ledger.entered(event_id)
        if entered is None:
            return None
        effective = await self.effective(entered.partition, entered.offset, wait_seconds)
        return Taken(event_id, entered.partition, entered.offset, effective)

    async def standings(self, subject: str, language: str) -> list[dict[str, Any]]:
        """How a person stands to every agreement, with everything that was written before the call. Raises NotNow."""
        state = await self._rules()
        place = Place(self._topics.consents, lane_of(subject, self._topics.lanes))
        if not await self._follower.until_read(place, ANSWER_SECONDS):
            raise NotNow(what="the newest consents cannot be read at the moment")
        return standings_of(self._ledger.standings(subject), state, clock.now_ms(), language)

    async def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        await self._follower.until(lambda: self._closing or holds(), seconds)
        return holds()

    async def _rules(self) -> RegisterState:
        """The register as of now. A reading is never broken off half way, for that would lose facts."""
        reading = asyncio.create_task(self._register.newest())
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(reading)
        except TimeoutError:
            raise NotNow(what="the register cannot be read at the moment") from None

    def _record(self, event: ConsentEvent) -> Outgoing:
        lane = lane_of(event.subject, self._topics.lanes)
        value = self._messages.encode("consent", consent_message(event))
        return Outgoing(self._topics.consents, lane, event.key(), value)


def _withdrawals(events: Sequence[ConsentEvent]) -> int:
    return sum(event.action is ConsentAction.WITHDRAW for event in events)
