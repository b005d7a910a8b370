"""What the demonstration holds in its hands once everything runs."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bus.avro.access import RegistryAccess, registry_access
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.demo.lanes import LaneWatch
from bus.kafka.access import KafkaAccess
from bus.model.country import Country, Place
from bus.platform.home import Home
from bus.platform.processes import Supervisor
from bus.platform.reach import kafka_access, postgres_dsn
from bus.register.log import Register
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics
from bus.wiring import ADMIN, country_plugin, place_of


@dataclass(frozen=True, slots=True)
class Parts:
    """A running bus with its country, as an administrator sees it."""

    settings: Settings
    supervisor: Supervisor
    access: KafkaAccess
    topics: Topics
    registry: RegistryAccess
    messages: OwnMessages
    register: Register
    watch: LaneWatch
    country: Country
    place: Place

    @property
    def home(self) -> Home:
        """BUS_HOME of this bus."""
        return self.supervisor.home


@asynccontextmanager
async def open_parts(settings: Settings, supervisor: Supervisor) -> AsyncIterator[Parts]:
    """Connect to what `bring_up` has started; everything is closed at the end of the block."""
    home = supervisor.home
    access = kafka_access(settings, KafkaSettings(), home, ADMIN)
    topics = Topics(settings.prefix, settings.lanes)
    schemas = registry_access(settings, home)
    async with contextlib.AsyncExitStack() as closing:
        messages = OwnMessages(await closing.enter_async_context(SchemaRegistryClient(schemas)))
        register = Register(access, topics, messages)
        closing.push_async_callback(register.stop)
        await register.start()
        watch = LaneWatch(access, topics, messages)
        closing.push_async_callback(watch.stop)
        await watch.start()
        country = country_plugin()
        place = place_of(settings, home, postgres_dsn(settings, home))
        yield Parts(settings, supervisor, access, topics, schemas, messages, register, watch, country, place)
