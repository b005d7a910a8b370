"""A steady load of changes, consents and withdrawals, each with a number or an id that never comes twice."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from bus.clock import monotonic
from bus.errors import BusError
from bus.kafka.log import KafkaError
from bus.kafka.transactions import TransactionalWriter
from bus.model.consent import ConsentAction
from bus.model.record import Outgoing
from tests.broker.conftest import PERSON, SmallBus

TICK_SECONDS = 0.05
BANK, TAX = "person-address-to-bank", "person-to-tax"


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: by the clock, and by the newest number given to a change by then."""

    seconds: float
    number: int


class Load:
    """Changes at a rate, in transactions as a connector writes them, and now and then a consent or a withdrawal."""

    def __init__(self, bus: SmallBus, *, people: int = 60, rate: int = 120, seed: int = 1) -> None:
        self._bus = bus
        self._random = random.Random(seed)  # noqa: S311 - the load is random on purpose, from a seed
        self._people = [f"0010900{number:05d}" for number in range(people)]
        self._given: set[str] = set()
        self._waiting: list[Outgoing] = []
        self._writer: TransactionalWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._consent_id = 0
        self.rate = rate
        self.number = 0
        self.failures = 0

    async def __aenter__(self) -> Self:
        """Connect and begin."""
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and let what was begun be written."""
        await self.stop()
        if self._writer is not None:
            await self._writer.stop()

    async def stop(self) -> None:
        """Write nothing more. Raises what the load failed by."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            found = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(found, Exception):
                raise found

    def now(self) -> Moment:
        """This moment."""
        return Moment(monotonic(), self.number)

    @property
    def flowing(self) -> bool:
        """Whether changes are being written."""
        return self._task is not None and not self._task.done()

    async def poison(self) -> None:
        """A record that no schema explains, and one whose schema nobody knows."""
        for value in (b"this is no Avro", b"\x00\x7f\xff\xff\xf0body"):
            self._waiting.append(self._bus.change(PERSON, self._somebody(), value))

    async def add(self, count: int, **changes: Any) -> None:
        """So many more changes at once; with these values."""
        self._waiting += [await self._change(**changes) for _ in range(count)]

    async def add_people(self, subjects: Sequence[str], **changes: Any) -> None:
        """One change of each of these people, who need not be among those that the load is about."""
        self._waiting += [await self._change(subject, **changes) for subject in subjects]

    def delete(self, subject: str) -> None:
        """A deletion at the source."""
        self._waiting.append(self._bus.change(PERSON, subject, None))

    async def passed(self, count: int = 20) -> None:
        """Wait until that many more changes have been written."""
        goal, deadline = self.number + count, monotonic() + 60
        while self.number < goal:
            assert monotonic() < deadline, "the load does not flow"
            await asyncio.sleep(TICK_SECONDS)

    async def _run(self) -> None:
        due = monotonic()
        while True:
            due = max(due + TICK_SECONDS, monotonic() - 1)
            count = max(1, round(self.rate * TICK_SECONDS))
            batch, self._waiting = [*self._waiting, *[await self._one() for _ in range(count)]], []
            await asyncio.gather(self._write(batch), self._consent())
            await asyncio.sleep(max(0.0, due - monotonic()))

    async def _one(self) -> Outgoing:
        chance = self._random.random()
        if chance < 0.03:
            return self._bus.change(PERSON, self._somebody(), None)
        return await self._change(**({"status": "DEAD"} if chance < 0.06 else {}))

    async def _change(self, subject: str | None = None, **changes: Any) -> Outgoing:
        self.number += 1
        words = {"full_name": f"Người #{self.number}#", "birth_province": "SECRET", **changes}
        return await self._bus.person(subject or self._somebody(), **words)

    def _somebody(self) -> str:
        return self._random.choice(self._people)

    async def _write(self, batch: Sequence[Outgoing]) -> None:
        """In one transaction; one whose outcome is unknown is let be: what counts is what the topics say."""
        try:
            if self._writer is None:
                writer = TransactionalWriter(self._bus.access, f"{self._bus.settings.prefix}load", timeout_ms=5000)
                self._writer = writer
                await writer.start()
            await self._writer.commit(batch)
        except (BusError, KafkaError):
            self.failures += 1
            if self._writer is not None:
                writer, self._writer = self._writer, None
                await asyncio.wait({asyncio.create_task(writer.stop())}, timeout=5)

    async def _consent(self) -> None:
        """Now and then somebody gives, or whoever gave withdraws."""
        if self._random.random() > 0.5:
            return
        subject = self._somebody()
        action = ConsentAction.WITHDRAW if subject in self._given else ConsentAction.GIVE
        self._consent_id += 1
        try:
            await self._bus.consent(subject, BANK, action, event_id=f"consent-{self._consent_id}")
        except (BusError, KafkaError):
            self.failures += 1
            return
        self._given ^= {subject}
