"""Is the broker new enough? Told by what it no longer speaks: a broker does not say its version."""

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from bus.errors import KafkaTooOld
from bus.kafka.access import KafkaAccess
from bus.kafka.reach import answered, unreachable
from bus.kafka.words import last_heard

FETCH = 1
FIRST_FETCH_OF_4_0 = 4
"""Kafka 4.0 dropped Fetch below version 4 (KIP-896); every 3.x still offers version 0."""


async def require_kafka_4(access: KafkaAccess) -> None:
    """Return if the broker is Kafka 4.0 or newer. Raises KafkaTooOld, KafkaUnreachable."""
    client = AIOKafkaClient(**access.for_aiokafka())
    try:
        await answered(client, access)
        oldest = await _oldest_fetch(client)
    except KafkaError as error:
        raise unreachable(access, error) from error
    finally:
        await client.close()
    if oldest < FIRST_FETCH_OF_4_0:
        raise KafkaTooOld(bootstrap=access.bootstrap, found=f"it still speaks Fetch version {oldest}")


async def _oldest_fetch(client: AIOKafkaClient) -> int:
    connection = await client._get_conn(client.get_random_node())  # noqa: SLF001 - the only place that keeps versions
    if connection is None:
        (*_, named) = client.cluster.brokers()
        own = f"{named.host}:{named.port}"
        raise KafkaError(f"it answers, and sends everybody on to {own}, its advertised.listeners: {last_heard()}")
    oldest: int = connection._versions[FETCH][0]  # noqa: SLF001
    return oldest
