"""The process `citizen`: the consent API on a port."""

import asyncio
import contextlib

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.citizen.app import application
from bus.citizen.desk import ConsentDesk
from bus.citizen.reach import callers_token
from bus.kafka.rights import CITIZEN
from bus.platform.home import Home
from bus.platform.ports import reached_at
from bus.platform.reach import kafka_access
from bus.platform.serving import listening, serve_http
from bus.settings import CitizenSettings, KafkaSettings, Settings
from bus.telemetry import Event, configure, emit
from bus.topics import Topics


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then end what was begun. Raises BusError when it cannot begin."""
    configure(CITIZEN)
    asyncio.run(_serve(settings, CitizenSettings(), Home.from_settings(settings)))


async def _serve(settings: Settings, own: CitizenSettings, home: Home) -> None:
    access = kafka_access(settings, KafkaSettings(), home, CITIZEN)
    async with contextlib.AsyncExitStack() as closing:
        listener = closing.enter_context(listening(home, CITIZEN, own.host, own.port))
        client = SchemaRegistryClient.from_settings(settings, home, registers=True)
        closing.push_async_callback(client.close)
        messages = OwnMessages(client)
        await messages.prepare()
        desk = ConsentDesk(access, Topics(settings.prefix, settings.lanes), messages)
        closing.push_async_callback(desk.stop)
        await desk.start()
        port = int(listener.getsockname()[1])
        home.announce(CITIZEN, port=port, host=reached_at(listener))
        closing.callback(home.withdraw_own, CITIZEN)
        emit(Event.PROCESS_STARTED, port=port)
        await serve_http(application(desk, token=callers_token(own, home)), listener, ending=desk.close)
        emit(Event.PROCESS_STOPPING)
