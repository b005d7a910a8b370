"""The process `schema-registry`: the API on a port, over the topic `schemas`."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from bus.avro.registry.app import application
from bus.avro.registry.kafka_log import KafkaLog
from bus.avro.registry.store import SchemaStore
from bus.errors import PortTaken
from bus.kafka.access import KafkaAccess
from bus.platform.home import Home
from bus.platform.reach import SCHEMA_REGISTRY, kafka_access
from bus.settings import KafkaSettings, SchemaRegistrySettings, Settings
from bus.telemetry import Event, configure, emit
from bus.topics import Topics

TOKEN_NAME = "schema-registry.token"  # noqa: S105 - the name of the secret, not the secret
"""The secret in BUS_HOME that guards changes, where there is one."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then end what was begun. Raises BusError when it cannot begin."""
    configure(SCHEMA_REGISTRY)
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, SCHEMA_REGISTRY)
    asyncio.run(_serve(settings, SchemaRegistrySettings(), home, access))


async def _serve(settings: Settings, own: SchemaRegistrySettings, home: Home, access: KafkaAccess) -> None:
    log = KafkaLog(access, Topics(settings.prefix, settings.lanes).schemas)
    store = SchemaStore(log)
    with _listening(own.host, own.port) as listener:
        try:
            await store.current()
            port = listener.getsockname()[1]
            server = _server(store, own, home)
            asyncio.get_running_loop().call_soon(_announce, home, port)
            await server.serve([listener])
        finally:
            emit(Event.PROCESS_STOPPING)
            home.withdraw(SCHEMA_REGISTRY)
            await log.stop()


def _server(store: SchemaStore, own: SchemaRegistrySettings, home: Home) -> "_Server":
    app = application(store, write_token=_write_token(own, home))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=10)
    return _Server(config)


def _write_token(own: SchemaRegistrySettings, home: Home) -> str | None:
    if own.token:
        return own.token.get_secret_value()
    return home.secret(TOKEN_NAME) if home.has_secret(TOKEN_NAME) else None


def _announce(home: Home, port: int) -> None:
    """Say where; the socket listens already, so that a caller who is early waits and is not refused."""
    home.announce(SCHEMA_REGISTRY, port=port)
    emit(Event.PROCESS_STARTED, port=port)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for an ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(port=port, name=SCHEMA_REGISTRY) from error
    listener.listen(128)
    return listener


class _Server(uvicorn.Server):
    """Ends in order on SIGTERM and SIGINT.

    uvicorn's own handling sends the signal again at the end: the process would die before it closes its connections.
    """

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
