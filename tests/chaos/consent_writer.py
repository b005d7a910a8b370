"""A writer of consents that a test kills: each line of its input is one record, and is answered when it is written.

    python -m tests.chaos.consent_writer TOPIC

A line holds partition, key and value, the latter two in hexadecimal.
"""

import sys

from confluent_kafka import Producer

from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings, Settings


def main() -> None:
    """Write until the input ends."""
    settings = Settings()
    access = kafka_access(settings, KafkaSettings(), Home.from_settings(settings), "admin")
    producer = Producer(access.for_confluent() | {"enable.idempotence": True, "linger.ms": 0})
    for line in sys.stdin:
        partition, key, value = line.split()
        producer.produce(sys.argv[1], bytes.fromhex(value), bytes.fromhex(key), int(partition))
        producer.flush()
        print("written", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
