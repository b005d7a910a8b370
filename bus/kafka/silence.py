"""Whether who reads and gets nothing has a quiet topic before it, or no broker any more: the client tells neither.

Nor does it tell who reads up to an end that somebody's transaction stands before it.
"""

import asyncio
import logging
from collections.abc import Hashable, Iterable

from aiokafka.client import AIOKafkaClient

from bus.clock import monotonic
from bus.kafka.reach import PATIENCE_SECONDS
from bus.kafka.words import last_heard

SILENT_SECONDS = 5.0
"""A reader that has got nothing for so long asks whether a broker is there, and again after as long."""

HELD_SECONDS = 10.0
"""A transaction takes milliseconds, and seconds where a broker fails over: who waits longer for its end is told."""

_log = logging.getLogger("bus.kafka")


class Silence:
    """Of one reader: tells in the log, once each, that no broker answers any more, and that one does again.

    It is the log of Python's own library, for it also speaks to recipients, in whose programs it shall do what the rest
    does: where nobody has set it up, lines go to stderr.
    """

    def __init__(self, client: AIOKafkaClient, bootstrap: str) -> None:
        self._client = client
        self._bootstrap = bootstrap
        self._heard_at = self._asked_at = monotonic()
        self._silent = False

    async def note(self, *, something: bool) -> None:
        """After each look: whether it gave something."""
        now = monotonic()
        if not something:
            if now - self._asked_at < SILENT_SECONDS:
                return
            something = await self._answers()
            self._asked_at = monotonic()
        if something:
            self._heard(now)
        elif not self._silent:
            self._silent = True
            words = round(now - self._heard_at), self._bootstrap, last_heard()
            _log.warning("For %d s no answer from Kafka at %s: %s. Reading goes on as soon as it answers.", *words)

    def _heard(self, now: float) -> None:
        if self._silent:
            self._silent = False
            _log.warning("Kafka at %s answers again, after %d s.", self._bootstrap, round(now - self._heard_at))
        self._heard_at = self._asked_at = now

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return bool(await self._client.force_metadata_update())
        except TimeoutError:
            return False


class HeldUp:
    """Of one reading up to an end: tells in the log, once, that it has come no further for long, and where."""

    def __init__(self) -> None:
        self._where: Hashable = None
        self._since = monotonic()
        self._told = False

    def note(self, where: Hashable, behind: Iterable[tuple[str, int]]) -> None:
        """Before each look: how far all is read, and which topics and partitions are not read to their ends."""
        now = monotonic()
        if where != self._where:
            self._where, self._since = where, now
        elif not self._told and now - self._since >= HELD_SECONDS:
            self._told = True
            places = ", ".join(f"{topic}/{partition}" for topic, partition in behind)
            _log.warning(
                "For %d s nothing more can be read of %s: a transaction there is neither committed nor aborted, or no"
                " broker answers. Reading goes on as soon as it ends; Kafka itself ends that of a writer who is gone.",
                round(now - self._since),
                places,
            )
