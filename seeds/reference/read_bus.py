"""Reading the bus with confluent-kafka: whole topics, committed records only, and their values by schema id."""

import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fastavro
import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from seeds.reference.readings import Block, BusReading, ConsentEvent, Entry, Record

SILENCE_SECONDS = 30.0
"""After so long without a record or an end the broker is given up."""

ASKED_EVERY_SECONDS = 0.05

SchemaOf = Callable[[int], Any]
"""A schema's id to the schema as JSON values."""


class Unreadable(Exception):
    """Bytes that are no framed record of a known schema."""


class BrokerSilent(Exception):
    """The broker said nothing for too long."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as it lies in Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Decoder:
    """Framed Avro to values: a zero byte, four bytes of schema id, the body and nothing after it."""

    def __init__(self, schema_of: SchemaOf) -> None:
        self._schema_of = schema_of
        self._known: dict[int, Any] = {}

    def decode(self, data: bytes) -> dict[str, Any]:
        """The record. Raises Unreadable."""
        if len(data) < 5 or data[0] != 0:
            raise Unreadable
        number = int.from_bytes(data[1:5], "big")
        body = io.BytesIO(data[5:])
        try:
            if number not in self._known:
                self._known[number] = fastavro.parse_schema(self._schema_of(number))
            record = fastavro.schemaless_reader(body, self._known[number], None)
        except (ValueError, KeyError, IndexError, EOFError, TypeError) as error:
            raise Unreadable from error
        if not isinstance(record, dict) or body.read(1):
            raise Unreadable
        return record


@contextmanager
def schemas_at(url: str, headers: Mapping[str, str]) -> Iterator[SchemaOf]:
    """Schemas from a registry that speaks the Confluent API. They raise KeyError for an id that it does not know."""
    with httpx.Client(base_url=url, headers=headers, timeout=10, trust_env=False) as client:

        def schema_of(number: int) -> Any:
            answer = client.get(f"/schemas/ids/{number}")
            if answer.status_code == 404:
                raise KeyError(number)
            return json.loads(answer.raise_for_status().json()["schema"])

        yield schema_of


def read_bus(config: Mapping[str, Any], prefix: str, schema_of: SchemaOf) -> BusReading:
    """Read everything from its beginning to its end. Raises BrokerSilent."""
    decoder = Decoder(schema_of)
    by_topic: dict[str, list[Raw]] = defaultdict(list)
    names = {prefix + name for name in ("register", "disclosures", "consents", "deadletters")}
    begins = (f"{prefix}agency.", f"{prefix}deadletters.")
    topics, raws = _read_topics(config, lambda topic: topic in names or topic.startswith(begins))
    for raw in raws:
        by_topic[raw.topic].append(raw)
    agency_topics = frozenset(topic for topic in topics if topic.startswith(begins[0]))
    return BusReading(
        prefix=prefix,
        topics=agency_topics,
        records=tuple(_record(raw, decoder) for topic in sorted(agency_topics) for raw in by_topic[topic]),
        blocks=tuple(_block(raw, decoder) for raw in by_topic[f"{prefix}disclosures"]),
        consents=tuple(_consents(by_topic[f"{prefix}consents"], decoder)),
        revisions=_revisions(by_topic[f"{prefix}register"], decoder),
        dead_letters=sum(len(by_topic[topic]) for topic in topics if topic.startswith(f"{prefix}deadletters")),
    )


def _read_topics(config: Mapping[str, Any], wanted: Callable[[str], bool]) -> tuple[list[str], list[Raw]]:
    consumer = Consumer(
        {
            **config,
            "group.id": "reference",  # the client asks for one; nothing is ever committed under it
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 2,
        }
    )
    try:
        known = consumer.list_topics(timeout=SILENCE_SECONDS).topics
        topics = sorted(topic for topic in known if wanted(topic))
        places = [(topic, partition) for topic in topics for partition in known[topic].partitions]
        raws = list(_read_places(consumer, _written_ends(config, places)))
    finally:
        consumer.close()
    return topics, sorted(raws, key=lambda raw: (raw.topic, raw.partition, raw.offset))


def _written_ends(config: Mapping[str, Any], places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Where each partition ends, behind what is not seen to be committed yet, or aborted."""
    words = {"group.id": "reference", "isolation.level": "read_uncommitted", "log_level": 2}
    asker = Consumer({**config, **words})
    try:
        return {one: written_end(asker, TopicPartition(*one)) for one in places}
    finally:
        asker.close()


def written_end(asker: Any, place: TopicPartition) -> int:
    """Where one ends, to whoever reads what is not committed too. Raises BrokerSilent.

    Asked again for a while where it is refused: a broker does not at once know that it leads a new partition.
    """
    until = time.monotonic() + SILENCE_SECONDS
    while True:
        try:
            _, end = asker.get_watermark_offsets(place, timeout=SILENCE_SECONDS)
        except KafkaException as refused:
            if time.monotonic() > until:
                raise BrokerSilent(refused.args[0].str()) from None
            time.sleep(ASKED_EVERY_SECONDS)
        else:
            return int(end)


def _read_places(consumer: Any, ends: Mapping[tuple[str, int], int]) -> Iterator[Raw]:
    """Every record up to the end of each partition. What stands before it for long is a transaction left open."""
    missing = set(ends)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in ends])
    heard = time.monotonic()
    while missing:
        for message in consumer.consume(num_messages=5000, timeout=0.2):
            heard = time.monotonic()
            error = message.error()
            if error is None:
                headers = tuple((name, value or b"") for name, value in message.headers() or ())
                yield Raw(
                    message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers
                )
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public name for it
                place = message.topic(), message.partition()
                if message.offset() >= ends[place]:
                    missing.discard(place)
            else:
                raise BrokerSilent(error.str())
        if time.monotonic() - heard > SILENCE_SECONDS:
            raise BrokerSilent(f"{len(missing)} partitions did not come to their end")


def _record(raw: Raw, decoder: Decoder) -> Record:
    view, unreadable = None, False
    if raw.value is not None:
        try:
            view = decoder.decode(raw.value)
        except Unreadable:
            unreadable = True
    headers = {name: value.decode("utf-8", "replace") for name, value in raw.headers}
    key = (raw.key or b"").decode("utf-8", "replace")
    return Record(raw.topic, raw.partition, raw.offset, key, view, headers, unreadable)


def _block(raw: Raw, decoder: Decoder) -> Block:
    told = decoder.decode(raw.value or b"")
    return Block(
        lane=raw.partition,
        block=told["block"],
        part=told["part"],
        consents_offset=told["consents_offset"],
        register_offset=told["register_offset"],
        inputs=told["inputs"],
        entries=tuple(Entry(**{name: entry[name] for name in Entry.__slots__}) for entry in told["entries"]),
        withheld=tuple((one["agreement"], one["reason"], one["count"]) for one in told["withheld"]),
    )


def _consents(raws: Iterable[Raw], decoder: Decoder) -> Iterator[ConsentEvent]:
    for raw in raws:
        subject, slash, agreement = (raw.key or b"").decode("utf-8", "replace").partition("/")
        if not (subject and slash and agreement):
            continue  # nobody can say whom it is about
        try:
            told = decoder.decode(raw.value or b"")
        except Unreadable:
            yield ConsentEvent(raw.partition, raw.offset, subject, agreement, give=False)
            continue
        same = (told["subject"], told["agreement"]) == (subject, agreement)
        yield ConsentEvent(
            raw.partition,
            raw.offset,
            subject,
            agreement,
            give=same and told["action"] == "GIVE",
            event_id=told["event_id"],
            revision=told["revision"],
            at=told["at"],
            valid_from=told["valid_from"],
            valid_until=told["valid_until"],
        )


def _revisions(raws: Iterable[Raw], decoder: Decoder) -> dict[str, frozenset[str]]:
    """The newest activation of each agreement; what was not active again since is not there."""
    found: dict[str, frozenset[str]] = {}
    for raw in raws:
        fact = decoder.decode(raw.value or b"")
        if fact["kind"] != "agreement":
            continue
        if fact["action"] == "activated":
            body = json.loads(fact["body"])
            found[fact["id"]] = frozenset([body["revision"], *body["accepted_revisions"]])
        elif fact["action"] == "ended":
            found.pop(fact["id"], None)
    return found
