"""The process `schema-registry`: the API on a port, over the topic `schemas`."""

import asyncio
import socket

from bus.avro.access import TOKEN_NAME
from bus.avro.registry.app import application
from bus.avro.registry.kafka_log import KafkaLog
from bus.avro.registry.store import SchemaStore
from bus.errors import TopicGone
from bus.kafka.access import KafkaAccess
from bus.kafka.reach import unreachable
from bus.platform.home import Home
from bus.platform.ports import reached_at
from bus.platform.reach import SCHEMA_REGISTRY, kafka_access
from bus.platform.serving import listening, serve_http
from bus.settings import KafkaSettings, SchemaRegistrySettings, Settings
from bus.telemetry import Event, configure, emit
from bus.topics import Topics


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then end what was begun. Raises BusError when it cannot begin."""
    configure(SCHEMA_REGISTRY)
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, SCHEMA_REGISTRY)
    asyncio.run(_serve(settings, SchemaRegistrySettings(), home, access))


async def _serve(settings: Settings, own: SchemaRegistrySettings, home: Home, access: KafkaAccess) -> None:
    log = KafkaLog(access, Topics(settings.prefix, settings.lanes).schemas)
    store = SchemaStore(log)
    with listening(home, SCHEMA_REGISTRY, own.host, own.port) as listener:
        try:
            await _read(store, access, log.topic)
            asyncio.get_running_loop().call_soon(_announce, home, listener)
            app = application(store, write_token=_write_token(own, home))
            await serve_http(app, listener, ending=lambda: emit(Event.PROCESS_STOPPING))
        finally:
            home.withdraw_own(SCHEMA_REGISTRY)
            await log.stop()


async def _read(store: SchemaStore, access: KafkaAccess, topic: str) -> None:
    """Read the topic for the first time. Raises TopicGone, KafkaUnreachable."""
    try:
        await store.current()
    except TimeoutError as error:
        from bus.kafka.admin import Admin  # noqa: PLC0415 - only where something is wrong: it loads a second client

        if topic not in await Admin(access).topics():
            raise TopicGone(topic=topic, bootstrap=access.bootstrap) from error
        raise unreachable(access, error) from error


def _write_token(own: SchemaRegistrySettings, home: Home) -> str | None:
    if own.token:
        return own.token.get_secret_value()
    return home.secret(TOKEN_NAME) if home.has_secret(TOKEN_NAME) else None


def _announce(home: Home, listener: socket.socket) -> None:
    """Say where; the socket listens already, so that a caller who is early waits and is not refused."""
    port = listener.getsockname()[1]
    home.announce(SCHEMA_REGISTRY, port=port, host=reached_at(listener))
    emit(Event.PROCESS_STARTED, port=port)
