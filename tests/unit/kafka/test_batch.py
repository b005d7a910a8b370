"""Batches that are put together here are what Kafka's clients read and write."""

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from bus.kafka.batch import BATCH_BYTES, batches, encoded_headers
from bus.model.record import Outgoing
from bus.model.varint import varint

AT = 1_767_225_600_000
HEADERS = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=4).map(tuple)
RECORDS = st.builds(
    Outgoing,
    topic=st.just("t"),
    partition=st.just(0),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=9000),
    headers=HEADERS,
    timestamp_ms=st.integers(AT - 86_400_000, AT + 86_400_000),
    stamp=st.none(),
)


@given(st.lists(RECORDS, min_size=1, max_size=20))
def test_as_the_client_writes_it(records: list[Outgoing]) -> None:
    """To the byte, a batch is what the client's own builder makes of the same records."""
    builder = BatchBuilder(10 * BATCH_BYTES, 0, is_transactional=1)
    for one in records:
        builder.append(timestamp=one.timestamp_ms, key=one.key, value=one.value, headers=list(one.headers))
    ((made,),) = batches(records).values()
    for batch in (builder, made):
        batch._set_producer_state(7, 3, 11)
    assert made.record_count() == builder.record_count()
    assert made._build() == builder._build()
    assert made.size() == len(made._build())


@given(RECORDS)
def test_a_stamp_stands_for_headers(record: Outgoing) -> None:
    """Headers that were encoded once are those of a record that brings its own."""
    stamp = varint(len(record.headers)) + encoded_headers(record.headers)
    ((plain,),) = batches([record]).values()
    ((stamped,),) = batches([record._replace(headers=(), stamp=stamp)]).values()
    assert stamped._build() == plain._build()


def test_a_new_batch_where_one_is_full() -> None:
    """Batches stay below what topics take, keep the order, and one too large record goes alone to be judged."""
    values = [b"a" * 400_000, b"b" * 400_000, b"c" * 400_000, b"d" * (2 * BATCH_BYTES), b"e"]
    made = batches([Outgoing("t", 0, b"k", value) for value in values])[("t", 0)]
    read = [[record.value for record in DefaultRecordBatch(bytes(batch._build()))] for batch in made]
    assert read == [values[:2], values[2:3], values[3:4], values[4:]]


def test_one_for_each_partition() -> None:
    """Records of two partitions never share a batch, and a record without a time is given that of writing."""
    made = batches([Outgoing("t", number % 2, b"k", bytes([number])) for number in range(6)])
    assert {place: batch.record_count() for place, (batch,) in made.items()} == {("t", 0): 3, ("t", 1): 3}
    (batch,) = made[("t", 1)]
    assert all(record.timestamp > AT for record in DefaultRecordBatch(bytes(batch._build())))


def test_a_header_without_a_value() -> None:
    """What a stranger wrote into a record that becomes a dead letter is kept as it was."""
    assert encoded_headers([("a", None)]) == b"\2a\1"
