"""A small dataset, its manifest and rows for it; a feed whose service is a function."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache
from typing import Any

import httpx
import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from bus.avro.datasets import Dataset, dataset_of
from bus.connect.feed import FeedSource
from bus.connect.manifest import DatasetRule, Manifest, SecretRule
from bus.connect.mapping import Mapper
from bus.connect.place import Place
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


TOKEN = {"url": "http://feed.test", "token": "let-me-in"}
MANIFEST: dict[str, Any] = {
    "name": "one",
    "registry": "one",
    "kind": "feed",
    "feed": {"path": "/feed", "pages": {"one.thing": "/things"}},
    "datasets": {"one.thing": {"origin": "thing", "fields": {"id": "id"}}},
}
Answer = Callable[[httpx.Request], httpx.Response]
Sources = Callable[..., FeedSource]


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


@pytest.fixture
async def sources(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sources]:
    """Makes a source whose service is a function."""
    made: list[FeedSource] = []
    true_client = httpx.AsyncClient

    def make(answers: Answer, settings: Mapping[str, str] = TOKEN, **rule: Any) -> FeedSource:
        transport = httpx.MockTransport(answers)
        monkeypatch.setattr(httpx, "AsyncClient", lambda **words: true_client(**words, transport=transport))
        manifest = Manifest.model_validate(MANIFEST | {"feed": {**MANIFEST["feed"], **rule}})
        kind = type("One", (FeedSource,), {"manifest": manifest})
        made.append(kind(Place("one", "", settings)))
        return made[-1]

    yield make
    for one in made:
        await one.close()
