"""Facts to bytes and back, reading the register to its end, and appending to it."""

import asyncio
import json
from typing import Any

from bus.avro.own import OwnMessages
from bus.errors import BusMismatch, BusNotFounded, RecordUnreadable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogReader, LogWriter
from bus.model.fact import Fact, FactKind
from bus.model.record import Incoming, Outgoing
from bus.register.counted import counted
from bus.register.entries import Counted
from bus.register.state import RegisterState
from bus.telemetry import Event, emit
from bus.topics import Topics

FOUND_SECONDS = 10.0
"""A register that does not show itself for so long is not there."""


def fact_message(fact: Fact) -> dict[str, Any]:
    """The fact as its Avro schema has it."""
    return {
        "kind": fact.kind.value,
        "id": fact.subject_id,
        "action": fact.action,
        "body": json.dumps(fact.body, ensure_ascii=False, sort_keys=True),
        "by": fact.by,
        "reason": fact.reason,
        "at": fact.at_ms,
        "signature": fact.signature,
        "signing_key": fact.signing_key,
    }


def fact_of(message: dict[str, Any]) -> Fact:
    """The inverse of `fact_message`. Raises ValueError for an unknown kind or a body that is no JSON object."""
    try:
        body = json.loads(message["body"])
    except RecursionError:
        raise ValueError("the body of a fact is nested too deep") from None
    if not isinstance(body, dict):
        raise ValueError("the body of a fact must be a JSON object")  # noqa: TRY004 - a wrong value, not a wrong call
    return Fact(
        FactKind(message["kind"]),
        message["id"],
        message["action"],
        body,
        message["by"],
        message["reason"],
        message["at"],
        message["signature"],
        message["signing_key"],
    )


class Register:
    """The register as this process has read it: `state` is immutable and replaced as facts come."""

    def __init__(self, access: KafkaAccess, topics: Topics, messages: OwnMessages) -> None:
        self.state = RegisterState()
        self.counted: list[Counted] = []
        """Every fact that counted, in order; those that did not are in `state.refused`."""

        self._messages = messages
        self._topics = topics
        self._bootstrap = access.bootstrap
        self._reader = LogReader(access, topics.register, committed=False)
        self._turn = asyncio.Lock()

    async def start(self) -> RegisterState:
        """Connect, read to the end and check that this is the bus we were set up for.

        Raises BusNotFounded, BusMismatch.
        """
        await self._reader.start(0)
        try:
            async with asyncio.timeout(FOUND_SECONDS):
                end = await self._reader.end()
        except TimeoutError:
            raise BusNotFounded(bootstrap=self._bootstrap, prefix=self._topics.prefix) from None
        state = await self._read(end)
        if state.founding is None:
            raise BusNotFounded(bootstrap=self._bootstrap, prefix=self._topics.prefix)
        for setting, founded, given in (
            ("prefix", state.founding.prefix, self._topics.prefix),
            ("lanes", state.founding.lanes, self._topics.lanes),
        ):
            if founded != given:
                raise BusMismatch(setting=setting, founded=founded, given=given)
        return state

    async def newest(self) -> RegisterState:
        """The state as of the end of the register, asked of the broker now."""
        return await self._read()

    async def _read(self, end: int | None = None) -> RegisterState:
        async with self._turn:
            try:
                for record in await self._reader.read_to_end(end):
                    await self._apply(record)
            except BaseException:
                self._reader.again(self.state.offset)  # what was read and not applied must be read again
                raise
            return self.state

    async def stop(self) -> None:
        """Close the connection."""
        await self._reader.stop()

    async def _apply(self, record: Incoming) -> None:
        try:
            fact = fact_of(await self._messages.decode(record.value or b""))
            before, self.state = self.state, self.state.apply(fact, record.offset, record.timestamp_ms)
            if (one := counted(before, self.state, fact, record.timestamp_ms)) is not None:
                self.counted.append(one)
            if self.state.refused_count > before.refused_count:
                emit(Event.FACT_REFUSED, offset=record.offset, reason=self.state.refused[-1].refusal.value)
        except (ValueError, KeyError, RecordUnreadable, SchemaUnknown) as error:
            emit(Event.FACT_IGNORED, offset=record.offset, reason=type(error).__name__)
            self.state = self.state.apply_unreadable(record.key, record.offset)


class RegisterWriter:
    """Appends facts, without a transaction, so that nobody who reads the register can be held up."""

    def __init__(self, access: KafkaAccess, topics: Topics, messages: OwnMessages) -> None:
        self._writer = LogWriter(access)
        self._topic = topics.register
        self._messages = messages

    async def start(self) -> None:
        """Connect."""
        await self._writer.start()

    async def stop(self) -> None:
        """Close the connection."""
        await self._writer.stop()

    async def append(self, *facts: Fact) -> list[int]:
        """Write facts in order; returns their offsets."""
        return await self._writer.append_all(
            Outgoing(self._topic, 0, fact.key(), self._messages.encode("fact", fact_message(fact))) for fact in facts
        )
