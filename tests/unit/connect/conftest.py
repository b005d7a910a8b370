"""A small dataset, its manifest and rows for it."""

from typing import Any

import pytest

from bus.avro.datasets import Dataset, dataset_of
from bus.connect.manifest import DatasetRule, SecretRule
from bus.connect.mapping import Mapper
from bus.connect.publish import Contract, Envelope
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
