"""A look at a bus that runs: its topics under one user's rights, and a folded register."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.errors import KafkaUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Reader
from bus.platform.home import Home
from bus.platform.ports import LOOPBACK
from bus.platform.reach import kafka_access
from bus.register.log import Register
from bus.register.state import RegisterState
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, and with what. `asker` asks for ends; it never fetches, so that its answers do not wait."""

    access: KafkaAccess
    topics: Topics
    messages: OwnMessages
    register: Register
    asker: Reader
    home: Home


@asynccontextmanager
async def looking(settings: Settings, user: str) -> AsyncIterator[Look]:
    """Connect as a user of the bus. Raises KafkaUnreachable, BusNotFounded, BusMismatch, SchemaRegistryUnreachable."""
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, user)
    topics = Topics(settings.prefix, settings.lanes)
    async with AsyncExitStack() as closing:
        client = await closing.enter_async_context(SchemaRegistryClient.from_settings(settings, home))
        messages = OwnMessages(client)
        register = Register(access, topics, messages)
        closing.push_async_callback(register.stop)
        await register.start()
        asker = Reader(access, committed=True)
        closing.push_async_callback(asker.stop)
        await asker.start()
        yield Look(access, topics, messages, register, asker, home)


async def register_state(settings: Settings, user: str, patience_seconds: float) -> RegisterState:
    """The register of a bus that runs; makes nothing, not even a home. Raises what `looking` does, and TimeoutError."""
    if not settings.kafka and not settings.home_path.is_dir():
        raise KafkaUnreachable(bootstrap=LOOPBACK, reason=f"none was started in {settings.home_path}")
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, user)
    async with asyncio.timeout(patience_seconds), SchemaRegistryClient.from_settings(settings, home) as client:
        register = Register(access, Topics(settings.prefix, settings.lanes), OwnMessages(client))
        try:
            return await register.start()
        finally:
            await register.stop()
