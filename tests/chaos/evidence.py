"""What really lies in the topics of a bus, read with other libraries than the bus's own: confluent-kafka and fastavro.

Only what transactions have committed counts. Nothing of `bus` is imported: a mistake must not be made twice.
"""

import io
import json
import re
import struct
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from fastavro import parse_schema, schemaless_reader

NUMBER = re.compile(r"#(\d+)#")
"""The load puts a number that only grows into each name: `Người #17#`."""

FRAME = struct.Struct(">bI")


@dataclass(frozen=True, slots=True)
class Change:
    """A committed change. `record` None: deleted; `readable` False: no Avro."""

    lane: int
    offset: int
    key: str
    record: Mapping[str, Any] | None
    size: int
    readable: bool = True
    topic: str = ""

    @property
    def origin(self) -> str:
        """How a dead letter names it."""
        return f"{self.topic}/{self.lane}/{self.offset}"


@dataclass(frozen=True, slots=True)
class ConsentSeen:
    """A committed consent event."""

    lane: int
    offset: int
    subject: str
    agreement: str
    event_id: str
    gives: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """A committed record of an agency topic. `record` None: an erasure."""

    topic: str
    partition: int
    offset: int
    key: str
    event_id: str
    headers: frozenset[str]
    record: Mapping[str, Any] | None
    raw: bytes = b""

    @property
    def kind(self) -> str:
        """As a disclosure block says it."""
        return "ERASE" if self.record is None else "RELEASE"

    @property
    def number(self) -> int | None:
        """The number in the name; None for an erasure."""
        return number_of(self.record)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a committed disclosure block."""

    lane: int
    block: int
    consents_offset: int
    kind: str
    topic: str
    partition: int
    event_id: str
    consent: str | None


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a committed transaction says that its lane stands, in a position record or in a block."""

    lane: int
    block: int
    consents_offset: int
    inputs: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Evidence:
    """Everything committed, each list in order of offset within a partition."""

    changes: list[Change] = field(default_factory=list)
    consents: list[ConsentSeen] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    blocks: list[Stand] = field(default_factory=list)
    positions: list[Stand] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)


def number_of(record: Mapping[str, Any] | None) -> int | None:
    """The number in a record's name; None where there is no record."""
    if record is None:
        return None
    found = NUMBER.search(record["full_name"])
    return int(found[1]) if found else -1


class Schemas:
    """Schemas by id, asked of the registry over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[int, Any] = {}

    def decode(self, value: bytes) -> dict[str, Any]:
        """A framed value. Raises ValueError where there is no frame."""
        if len(value) < FRAME.size or value[0] != 0:
            raise ValueError("no frame")
        _, number = FRAME.unpack_from(value)
        if number not in self._known:
            with urllib.request.urlopen(f"{self._url}/schemas/ids/{number}", timeout=10) as answer:  # noqa: S310 - http
                self._known[number] = parse_schema(json.loads(json.loads(answer.read())["schema"]))
        found = schemaless_reader(io.BytesIO(value[FRAME.size :]), self._known[number], None)
        if not isinstance(found, dict):
            raise ValueError("no record")  # noqa: TRY004 - as for any other bytes that are not what they should be
        return found


def collect(kafka: Mapping[str, Any], prefix: str, schemas: Schemas) -> Evidence:
    """Read every topic under the prefix to its end."""
    evidence = Evidence()
    for message in read(kafka, lambda topic: topic.startswith(prefix)):
        name = message.topic().removeprefix(prefix)
        if name.startswith("changes."):
            evidence.changes.append(_change(message, schemas))
        elif name.startswith("agency."):
            evidence.copies.append(_copy(message, schemas))
        elif name == "consents":
            evidence.consents.append(_consent(message, schemas))
        elif name == "deadletters":
            evidence.dead.append(dict(message.headers())["dead-origin"].decode())
        elif name == "lane-state" and message.key() == b"position":
            evidence.positions.append(_stand(message.partition(), schemas.decode(message.value())))
        elif name == "disclosures":
            _take_block(evidence, schemas.decode(message.value()))
    return evidence


def read(kafka: Mapping[str, Any], wanted: Callable[[str], bool]) -> Iterator[Any]:
    """Every committed message of the wanted topics up to their ends; in order within a partition."""
    consumer = Consumer(
        {
            **kafka,
            "group.id": "chaos-checker",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "log_level": 2,
        }
    )
    try:
        topics = consumer.list_topics(timeout=20).topics
        places = [(name, one) for name, topic in topics.items() if wanted(name) for one in topic.partitions]
        consumer.assign([TopicPartition(*place, 0) for place in places])
        still_open = set(places)
        while still_open:
            for message in consumer.consume(5000, 0.1):
                if message.error() is None:
                    yield message
                elif message.error().code() == KafkaError._PARTITION_EOF:  # the client has no public name for it
                    still_open.discard((message.topic(), message.partition()))
                elif not message.error().retriable():
                    raise KafkaException(message.error())
    finally:
        consumer.close()


def _change(message: Any, schemas: Schemas) -> Change:
    value, readable, record = message.value(), True, None
    if value is not None:
        try:
            record = schemas.decode(value)
        except (ValueError, EOFError, IndexError, StopIteration, urllib.request.HTTPError):
            readable = False
    place = (message.partition(), message.offset(), message.key().decode())
    return Change(*place, record, len(value or b""), readable, message.topic())


def _copy(message: Any, schemas: Schemas) -> Copy:
    headers = dict(message.headers() or ())
    value = message.value()
    return Copy(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key().decode(),
        headers.get("ce_id", b"").decode(),
        frozenset(headers),
        None if value is None else schemas.decode(value),
        value or b"",
    )


def _consent(message: Any, schemas: Schemas) -> ConsentSeen:
    event = schemas.decode(message.value())
    whose = (event["subject"], event["agreement"], event["event_id"])
    return ConsentSeen(message.partition(), message.offset(), *whose, event["action"] == "GIVE")


def _stand(lane: int, message: Mapping[str, Any]) -> Stand:
    return Stand(lane, message["block"], message["consents_offset"], tuple(sorted(message["inputs"].items())))


def _take_block(evidence: Evidence, block: Mapping[str, Any]) -> None:
    evidence.blocks.append(_stand(block["lane"], block))
    for entry in block["entries"]:
        where = (entry["topic"], entry["partition"], entry["event_id"], entry["consent"])
        evidence.entries.append(Entry(block["lane"], block["block"], block["consents_offset"], entry["kind"], *where))
