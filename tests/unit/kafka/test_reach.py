"""Reaching one of several addresses."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from bus.clock import monotonic
from bus.errors import KafkaUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Reader
from bus.kafka.reach import answered, side_by_side

SAYS_WHAT_IT_KNOWS = bytes.fromhex("0000000a" + "00000001" + "0000" + "00000000")
"""The answer of a broker to the first question of a client: the requests that it knows, here none."""


class Asked:
    """In place of a client: through which address it looked for its cluster, and where it would find none."""

    def __init__(self, given: str, *of_no_use: str) -> None:
        self.hosts = given.split(",")
        self.through: list[str] = []
        self._bootstrap_servers = given
        self._of_no_use = of_no_use
        self._request_timeout_ms = 40_000
        self._ssl_context = None
        self._security_protocol = "SASL_PLAINTEXT"

    async def bootstrap(self) -> None:
        self.through.append(self._bootstrap_servers)
        if self._bootstrap_servers in self._of_no_use:
            raise KafkaConnectionError


def place(listener: socket.socket) -> str:
    """The address of a listener."""
    return f"127.0.0.1:{listener.getsockname()[1]}"


async def ask(client: Asked) -> None:
    """Have such a client start."""
    await answered(cast("AIOKafkaClient", client), KafkaAccess(",".join(client.hosts)))


@contextlib.asynccontextmanager
async def broker() -> AsyncIterator[str]:
    """One that says which requests it knows, and nothing else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(SAYS_WHAT_IT_KNOWS)
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield place(server.sockets[0])


@pytest.fixture(params=["says nothing", "takes no connection"])
def silent(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address from which nothing comes: as of a program that hangs, or behind a wall that swallows all."""
    full = request.param == "takes no connection"
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0 if full else 100) as listener,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(2 * full):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - the socket's own word
            waiting.connect_ex(listener.getsockname())
        yield place(listener)


async def test_a_silent_address_costs_no_time(silent: str) -> None:
    """However many are silent, the one that answers must be found as soon as it does."""
    async with broker() as there:
        client, began = Asked(f"{silent},{there}"), monotonic()
        await ask(client)
        assert monotonic() - began < 3.0
    assert client.through == [there]


async def test_who_has_answered_is_asked_first_by_the_next_client() -> None:
    """One process must not ask every address anew for each of its clients."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with broker() as there:
            given = f"{place(listener)},{there}"
            await ask(Asked(given))
            listener.accept()[0].close()
            await ask(Asked(given))
        listener.setblocking(False)  # noqa: FBT003 - the socket's own word
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_where_the_first_is_of_no_use_the_next_is_asked() -> None:
    """A broker that says hello and no more, or one that is gone since, must not keep a client from the others."""
    async with broker() as one, broker() as other:
        given = f"{one},{other}"
        before = Asked(given)
        await ask(before)
        (first,) = before.through
        client = Asked(given, first)
        await ask(client)
        assert client.through[-1] == ({one, other} - {first}).pop()


async def test_of_each_address_it_is_told_why_it_was_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of one must not stand for all: one may be silent and the other refuse the password."""
    monkeypatch.setattr("bus.kafka.reach.PATIENCE_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = place(closed)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given = f"{place(listener)},{nobody}"
        with pytest.raises(KafkaUnreachable) as raised:
            await Reader(KafkaAccess(given)).start()
        reasons = f"{place(listener)}: no answer in time; {nobody}: Connection refused"
    assert str(raised.value) == f"no Kafka broker answers at {given} ({reasons})"


async def test_a_refused_password_is_told_although_another_address_is_silent(silent: str) -> None:
    """Once a broker has answered, the silent one is not waited for long."""
    async with broker() as there:
        client, began = Asked(f"{silent},{there}", there), monotonic()
        with pytest.raises(KafkaUnreachable):
            await ask(client)
        assert monotonic() - began < 4.0
    assert client.through == [there]
    assert client._request_timeout_ms == 40_000


async def test_a_single_address_is_left_to_the_client() -> None:
    """There is nothing to choose."""
    client = Asked("one:1")
    side_by_side(cast("AIOKafkaClient", client))
    await client.bootstrap()
    assert client.through == ["one:1"]
