"""Of several addresses of one Kafka that which answers, found side by side.

The client asks one address after the other, in any order, and waits for one that takes connections and says nothing;
each client of a process would do so anew. Who has answered is asked first from then on, by all clients of the process.
"""

import asyncio
from collections.abc import Iterable

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError

from bus.clock import monotonic
from bus.kafka.words import LATE, last_heard, why_failed

OTHERS_SECONDS = 1.0
"""Once an address has answered, and a client found nothing through it, the others may still take this long."""

_ANSWERED: dict[str, str] = {}
"""For addresses as they were given, the one through which a client of this process found its cluster last."""


class SideBySide:
    """How one client finds its cluster through several addresses, each of which may take so many seconds."""

    def __init__(self, client: AIOKafkaClient, seconds: float) -> None:
        self._client = client
        self._bootstrap = client.bootstrap
        self._given: str = client._bootstrap_servers  # noqa: SLF001 - one text, as KafkaAccess has it
        self._seconds = seconds
        self._why: dict[str, str] = {}

    async def bootstrap(self) -> None:
        """In place of the client's own. Raises KafkaConnectionError, which says of each address why it was no use."""
        known = _ANSWERED.pop(self._given, None)
        if known is not None and await self._through(known):
            return
        left, seconds = self._given.split(","), self._seconds
        while (first := await self._first(left, seconds)) is not None:
            if await self._through(first):
                return
            left.remove(first)
            seconds = OTHERS_SECONDS
        raise KafkaConnectionError(self._reasons())

    async def _through(self, place: str) -> bool:
        """Whether the client finds its cluster there."""
        client = self._client
        usual = client._bootstrap_servers, client._request_timeout_ms  # noqa: SLF001
        client._bootstrap_servers = place  # noqa: SLF001
        client._request_timeout_ms = min(usual[1], int(self._seconds * 500))  # noqa: SLF001 - half: others may follow
        try:
            await self._bootstrap()  # type: ignore[no-untyped-call]  # the client's own
        except KafkaConnectionError:
            self._why[place] = last_heard()
            return False
        finally:
            client._bootstrap_servers, client._request_timeout_ms = usual  # noqa: SLF001
        _ANSWERED[self._given] = place
        return True

    async def _first(self, places: Iterable[str], seconds: float) -> str | None:
        """The first of these that answers at all; None where none does in time."""
        asked = {asyncio.create_task(self._ask(place, seconds)): place for place in places}
        until, waiting = monotonic() + seconds, set(asked)
        try:
            while waiting and (left := until - monotonic()) > 0:
                done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.result():
                        return asked[task]
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return None

    async def _ask(self, place: str, seconds: float) -> bool:
        """Whether it says which requests it knows: any broker does, before it asks who is there."""
        client = self._client
        ((host, port, _),) = collect_hosts(place)
        try:
            async with asyncio.timeout(seconds):
                connection = await create_conn(
                    host,
                    port,
                    ssl_context=client._ssl_context,  # noqa: SLF001
                    security_protocol=client._security_protocol.removeprefix("SASL_"),  # noqa: SLF001
                )
        except (OSError, KafkaError, TimeoutError) as error:
            self._why[place] = why_failed(error)
            return False
        connection.close()
        return True

    def _reasons(self) -> str:
        """Why no address is of use; one that was waited for no longer is late."""
        reasons = {place: self._why.get(place, LATE) for place in self._given.split(",")}
        if len(set(reasons.values())) == 1:
            return next(iter(reasons.values()))
        return "; ".join(f"{place}: {why}" for place, why in reasons.items())
