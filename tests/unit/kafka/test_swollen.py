"""Batches that would fill the memory of whoever unpacks them."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bus.kafka.names import Batches
from bus.kafka.swollen import KEPT_BYTES, MOST_BYTES, bearable

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4


def batch(codec: int, first: int, *values: bytes) -> bytes:
    """Packed as any client may: the records from an offset on, all under one key."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for number, value in enumerate(values):
        builder.append(number, timestamp=7, key=b"p1/1", value=value, headers=[])
    built = bytes(builder.build())
    return first.to_bytes(8) + built[8:]


def read(packed: bytes) -> list[tuple[int, bytes | None, int]]:
    """Offset, key and length of each record; checksums are compared."""
    batches, found = Batches(packed), []
    while batches.has_next():
        one = batches.next_batch()
        assert one is not None
        assert one.validate_crc()
        found += [(record.offset, record.key, len(record.value or b"")) for record in one]
        assert one.next_offset > found[-1][0]
    return found


@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD])
def test_what_unpacks_to_gigabytes_is_one_record_that_no_topic_takes(codec: int) -> None:
    """Of a batch beyond what memory may hold the beginning is read, under its key, and what follows it as it is."""
    swollen = batch(codec, 5, b"An", bytes(MOST_BYTES))
    assert len(swollen) < MOST_BYTES / 100
    packed = batch(codec, 3, b"An", b"Ba") + swollen + batch(0, 7, b"Chi")
    assert read(packed) == [(3, b"p1/1", 2), (4, b"p1/1", 2), (5, b"p1/1", KEPT_BYTES), (7, b"p1/1", 3)]


@pytest.mark.parametrize("codec", [0, GZIP, SNAPPY, LZ4, ZSTD])
def test_what_is_bearable_is_left_alone(codec: int) -> None:
    """Batches of ordinary size, and one of which the broker sent a part, are the client's own business."""
    packed = batch(codec, 0, b"An" * 1000) + batch(codec, 1, b"Ba")[:-1]
    assert bearable(packed) is packed
    assert read(packed) == [(0, b"p1/1", 2000)]
