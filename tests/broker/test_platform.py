"""The local Kafka and PostgreSQL as they are: real programs, started, ended, killed, started again."""

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from bus.kafka.access import KafkaAccess

pytestmark = [pytest.mark.broker, pytest.mark.postgres]


def test_the_broker_answers_its_administrator(kafka: KafkaAccess, prefix: str) -> None:
    """A topic made under the test's prefix must be listed by the session's broker."""
    admin = AdminClient(kafka.for_confluent())
    for made in admin.create_topics([NewTopic(f"{prefix}x", 3, 1)]).values():
        made.result()
    assert len(admin.list_topics(f"{prefix}x", timeout=10).topics[f"{prefix}x"].partitions) == 3


def test_a_database_can_be_decoded(database: str) -> None:
    """A fresh database must take a logical replication slot, and be dropped with it after the test."""
    with psycopg.connect(database, autocommit=True) as connection:
        made = connection.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')").fetchone()
    assert made is not None
