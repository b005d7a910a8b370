"""HTTP as processes of the bus serve it: what a client may do to the others."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bus.errors import PortTaken, SettingWrong
from bus.platform import serving
from bus.platform.home import Home
from bus.platform.ports import reached_at
from bus.platform.reach import SCHEMA_REGISTRY, schema_registry_url
from bus.settings import Settings

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


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),  # noqa: S104 - what is tested
        ("127.0.0.2", "http://127.0.0.2:"),
        ("::1", "http://[::1]:"),
        ("::", "http://127.0.0.1:"),
    ],
)
def test_who_asks_finds_it_at_the_address_that_it_listens_on(host: str, asked: str, home: Home) -> None:
    """A registry that listens on one address alone, be it of IPv6, must not be looked for on another."""
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with contextlib.closing(serving.listening(home, SCHEMA_REGISTRY, host, 0)) as listener:
        home.announce(SCHEMA_REGISTRY, port=listener.getsockname()[1], host=reached_at(listener))
        url = schema_registry_url(Settings(home=home.path), home)
        assert url.startswith(asked)
        place = urlsplit(url)
        socket.create_connection((place.hostname, place.port or 0), timeout=5).close()


def test_an_address_that_is_none_of_this_machine_is_no_port_that_is_taken(home: Home) -> None:
    """The variable must be named that is wrong: another port would change nothing."""
    with pytest.raises(SettingWrong, match="BUS_SCHEMA_REGISTRY_HOST"):
        serving.listening(home, SCHEMA_REGISTRY, "192.0.2.1", 8081)
