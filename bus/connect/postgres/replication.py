"""The replication connection: psycopg has no interface for it, so its frames are read from libpq directly.

Formats: PostgreSQL manual, "Streaming Replication Protocol".
"""

import asyncio
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

SESSION = (
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=1 -c bytea_output=hex"
    " -c client_encoding=UTF8 -c synchronous_commit=local -c row_security=off"
)
"""Text forms that do not depend on the server's settings; the same for the stream and for chunks.

Marks in the log wait for no replica: while one is away, nothing would be read. Rows that a policy hides are an error.
"""

_DATA = struct.Struct(">cQQq")
_KEEPALIVE = struct.Struct(">cQqB")
_STATUS = struct.Struct(">cQQQqB")

DATA, KEEPALIVE = b"wk"


class Replication:
    """A running logical replication. `frames` gives (0, payload), and for a keepalive (log position, nothing)."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._confirmed = 0
        self._readable = asyncio.Event()

    @classmethod
    async def start(cls, dsn: str, slot: str, after_lsn: int, name: str) -> Self:
        """Connect under a name and stream what commits after `after_lsn`; the publication is called as the slot is.

        Raises psycopg.Error.
        """
        connection = await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, replication="database", options=SESSION, application_name=name
        )
        try:
            place = f"{after_lsn >> 32:X}/{after_lsn & 0xFFFFFFFF:X}"
            command = sql.SQL(
                "START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {}, messages 'true')"
            ).format(sql.Identifier(slot), sql.SQL(place), sql.Literal(f'"{slot}"'))
            await connection.execute(command.as_string(None).encode())
        except BaseException:
            await connection.close()
            raise
        started = cls(connection)
        started._confirmed = after_lsn
        return started

    async def frames(self, limit: int, timeout_seconds: float) -> list[tuple[int, bytes]]:
        """What has arrived, up to `limit`; waits for the first up to the timeout. Raises psycopg.Error at its end."""
        if found := self._at_hand(limit):
            return found
        if not await self._something(timeout_seconds):
            self._tell(reply=0)
            return []
        return self._at_hand(limit)

    def _at_hand(self, limit: int) -> list[tuple[int, bytes]]:
        """What has arrived. The client takes some kilobytes from the connection at a time, which may be few rows."""
        found = self._read(limit)
        while len(found) < limit:
            self._libpq.consume_input()
            more = self._read(limit - len(found))
            if not more:
                break
            found += more
        return found

    async def _something(self, timeout_seconds: float) -> bool:
        """Whether something has arrived within the timeout.

        The loop looks at the connection only meanwhile: while nobody takes what has arrived, it would do nothing else.
        """
        loop, socket = asyncio.get_running_loop(), self._libpq.socket
        self._readable.clear()
        loop.add_reader(socket, self._readable.set)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._readable.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(socket)

    def confirm(self, lsn: int) -> None:
        """Everything before `lsn` is safe: the server may drop it from its log."""
        if lsn > self._confirmed:
            self._confirmed = lsn
            self._tell(reply=0)

    def _read(self, limit: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        copy, payload_from = self._libpq.get_copy_data, _DATA.size
        while len(found) < limit:
            size, frame = copy(1)
            if size == 0:
                break
            if size < 0:
                raise psycopg.OperationalError("the server ended the replication")
            kind = frame[0]
            if kind == DATA:
                found.append((0, bytes(frame[payload_from:])))
            elif kind == KEEPALIVE:
                _, end, _, reply = _KEEPALIVE.unpack_from(frame)
                found.append((end, b""))
                if reply:
                    self._tell(reply=0)
        return found

    def _tell(self, *, reply: int) -> None:
        """Standby status: written, flushed and applied up to the confirmed place; the server does not use its clock."""
        self._libpq.put_copy_data(_STATUS.pack(b"r", self._confirmed, self._confirmed, self._confirmed, 0, reply))
        self._libpq.flush()

    async def close(self) -> None:
        """End the replication; the slot stays."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


Frames = Sequence[tuple[int, bytes]]
