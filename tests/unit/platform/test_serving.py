"""HTTP as processes of the bus serve it: what a client may do to the others."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bus.errors import PortTaken
from bus.platform import serving
from bus.platform.home import Home

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

HEAD = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n"
SECONDS = 0.6


async def echo(request: Request) -> Response:
    """What was sent, and later than a client may take to send it."""
    body = await request.body()
    await asyncio.sleep(2 * SECONDS)
    return PlainTextResponse(body)


@pytest.fixture
async def dial(monkeypatch: pytest.MonkeyPatch, home: Home) -> AsyncIterator[Dial]:
    """Connects to a server that waits no longer than the tests do."""
    monkeypatch.setattr(serving, "REQUEST_SECONDS", SECONDS, raising=False)
    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    with contextlib.closing(serving.listening(home, "it", "127.0.0.1", 0)) as listener:
        server = asyncio.create_task(serving.serve_http(app, listener, ending=lambda: None))
        try:
            yield partial(asyncio.open_connection, *listener.getsockname()[:2])
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)


@pytest.mark.parametrize("begun", [b"", b"POS", HEAD, HEAD + b"\r\nab", HEAD + b"\r\nabcd" + HEAD + b"\r\nab"])
async def test_a_request_that_does_not_come_to_its_end(dial: Dial, begun: bytes) -> None:
    """A connection is closed whose request is not whole in time, though a byte of it comes now and then."""
    reader, writer = await dial()
    writer.write(begun)

    async def trickle() -> None:
        while begun == HEAD:
            await asyncio.sleep(SECONDS / 4)
            writer.write(b"x")

    trickling = asyncio.create_task(trickle())
    try:
        with contextlib.suppress(ConnectionError):
            answers = await asyncio.wait_for(reader.read(), 8 * SECONDS)
            assert answers.count(b"HTTP/1.1 200") == begun.count(b"abcd")
    finally:
        trickling.cancel()
        writer.close()


async def test_a_request_that_is_answered_late(dial: Dial) -> None:
    """Who has sent all of a request may wait for its answer, and then ask again on the same connection."""
    reader, writer = await dial()
    for sent in (b"abcd", b"efgh"):
        writer.write(HEAD + b"\r\n" + sent[:2])
        await asyncio.sleep(SECONDS / 3)
        writer.write(sent[2:])
        answer = await asyncio.wait_for(reader.readuntil(sent), 10)
        assert answer.startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - as in a container
def test_a_picked_port_is_kept(home: Home, host: str) -> None:
    """A process that is started again listens where it did, for others ask there; where somebody is, elsewhere."""
    ports = []
    for _ in range(3):
        with contextlib.closing(serving.listening(home, "it", host, 0)) as listener:
            ports.append(listener.getsockname()[1])
            with contextlib.closing(serving.listening(home, "another", host, 0)) as beside:
                assert beside.getsockname()[1] != ports[0]
    assert len(set(ports)) == 1
    with contextlib.closing(socket.create_server((host, ports[0]))):
        with contextlib.closing(serving.listening(home, "it", host, 0)) as listener:
            ports.append(listener.getsockname()[1])
        with pytest.raises(PortTaken):
            serving.listening(home, "it", host, ports[0])
    with contextlib.closing(serving.listening(home, "it", host, 0)) as listener:
        assert listener.getsockname()[1] == ports[3] != ports[0]
