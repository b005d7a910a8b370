"""Reaching a broker, or telling within seconds why not: the client itself would wait for much longer."""

import asyncio
from typing import Protocol

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from bus.errors import KafkaUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.words import said

PATIENCE_SECONDS = 10.0
"""How long a broker may take to answer who connects; one that takes the connection and says nothing else is given up.
"""


class Client(Protocol):
    """Any client of aiokafka, before its start."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Close."""


async def started(client: Client, access: KafkaAccess) -> None:
    """Start a client. Raises KafkaUnreachable, with the client stopped."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.start()
    except (KafkaConnectionError, TimeoutError) as error:
        await client.stop()
        raise KafkaUnreachable(bootstrap=access.bootstrap, reason=_why(error)) from error


async def require_answer(access: KafkaAccess) -> None:
    """Return if a broker answers and takes the user. Raises KafkaUnreachable.

    For confluent-kafka, which tries again and again without a word, be it that nobody listens or that the password is
    wrong.
    """
    client = AIOKafkaClient(**access.for_aiokafka())
    try:
        await answered(client, access)
    finally:
        await client.close()


async def answered(client: AIOKafkaClient, access: KafkaAccess) -> None:
    """Have a bare client of aiokafka learn what brokers there are. Raises KafkaUnreachable."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.bootstrap()
    except (KafkaConnectionError, TimeoutError) as error:
        raise KafkaUnreachable(bootstrap=access.bootstrap, reason=_why(error)) from error


def _why(error: Exception) -> str:
    return f"no answer within {PATIENCE_SECONDS:.0f} s" if isinstance(error, TimeoutError) else said(error)
