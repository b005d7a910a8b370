"""A small dataset, its manifest and rows for it."""

from functools import lru_cache
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from bus.avro.datasets import Dataset, dataset_of
from bus.connect.manifest import DatasetRule, SecretRule
from bus.connect.mapping import Mapper
from bus.connect.publish import Contract, Envelope
from bus.kafka.batch import batches
from bus.model.record import Outgoing
from bus.topics import Topics

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Right",
    "namespace": "test",
    "doc": "A right.",
    "registry": "test",
    "dataset": "right",
    "subject": "holder",
    "record_id": ["id"],
    "fields": [
        {"name": "id", "type": "string", "doc": "Its id.", "category": "personal"},
        {
            "name": "holder",
            "type": ["null", "string"],
            "default": None,
            "doc": "Whose.",
            "category": "personal",
            "identifies": True,
        },
        {"name": "worth", "type": "int", "doc": "Its worth.", "category": "personal"},
    ],
}


@lru_cache(4096)
def headers_of(record: Outgoing) -> dict[str, bytes]:
    """The headers of a record, as a client of Kafka reads them."""
    ((batch,),) = batches([record]).values()
    (read,) = DefaultRecordBatch(bytes(batch._build()))
    return {name: value or b"" for name, value in read.headers}


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """A right, and who holds it."""
    return dataset_of(SCHEMA, place="test")


@pytest.fixture(scope="session")
def contract(dataset: Dataset) -> Contract:
    """Rows have the columns ma, chu, gia and mat; those with mat = x are state secrets."""
    rule = DatasetRule(
        origin="rights",
        fields={"id": "ma", "holder": "chu", "worth": "gia"},
        state_secret=SecretRule(column="mat", values=("x",)),
    )
    return Contract.of(Mapper(dataset, rule, "manifest.yaml"), 7)


@pytest.fixture(scope="session")
def envelope() -> Envelope:
    """A bus of four lanes."""
    return Envelope(Topics("", 4), "test", "test", 1)
