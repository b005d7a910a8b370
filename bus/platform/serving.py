"""Serving HTTP as a process of the bus: a port that is taken is said so, and the end comes in order."""

import asyncio
import contextlib
import errno
import json
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from bus.errors import PortTaken, SettingWrong
from bus.platform.home import Home, read_object, write_whole
from bus.platform.ports import free_port
from bus.telemetry import Event, emit

REQUEST_SECONDS = 60.0
"""How long a client may take to send a request: one that sends it byte by byte would hold its connection for ever."""

LAST_ANSWERS_SECONDS = 3
"""How long requests under way may take after the process was asked to end."""


def listening(home: Home, name: str, host: str, port: int) -> socket.socket:
    """A socket that listens already. Raises PortTaken, SettingWrong.

    Port 0: one is picked at the first start and kept, unless it is taken by then. Who asked there before the process
    was killed asks there still.
    """
    if port:
        return _bound(name, host, port)
    file = home.data / f"{name}-port.json"
    kept = (read_object(file) or {}).get("port")
    if kept:
        with contextlib.suppress(PortTaken):
            return _bound(name, host, kept)
    picked = free_port()
    listener = _bound(name, host, picked)
    if kept:
        emit(Event.PORT_MOVED, child=name, taken=kept, port=picked)
    write_whole(file, json.dumps({"port": picked}))
    return listener


def _bound(name: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for an ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            variable = f"BUS_{name.upper().replace('-', '_')}_HOST"
            meaning = "address of this machine that the process listens on"
            raise SettingWrong(variable=variable, reason=error.strerror, meaning=meaning) from error
        raise PortTaken(port=port, name=name) from error
    listener.listen(128)
    return listener


async def serve_http(app: ASGIApp, listener: socket.socket, *, ending: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ending` is called at the signal. No access log: paths may hold personal ids."""
    config = uvicorn.Config(
        app,
        http=_Prompt,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
    )
    await _Server(config, ending).serve([listener])


class _Prompt(H11Protocol):
    """A connection that is closed where a request is not whole in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self._count()

    def handle_events(self) -> None:
        super().handle_events()
        self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._late is not None:
            self._late.cancel()

    def _count(self) -> None:
        """Begin to count where something is still to come of a request, and stop where all of it is there."""
        coming = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        if coming and self._late is None:
            self._late = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)
        elif not coming and self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """Ends in order on SIGTERM and SIGINT.

    uvicorn's own handling sends the signal again at the end: the process would die before it closes its connections.
    """

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True
        self._ending()
