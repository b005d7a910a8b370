"""What a lane does about schemas: a registry that is away makes it wait, a schema that nobody knows is poison."""

import httpx
import pytest

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.frame import frame
from bus.clock import monotonic
from bus.errors import SchemaRegistryUnreachable
from bus.route.schemas import Schemas
from tests.unit.route.lanes import value


def schemas(status: int, body: object) -> Schemas:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    return Schemas(SchemaRegistryClient(RegistryAccess("http://registry:8081/"), transport=transport))


async def test_a_registry_that_is_away_is_waited_for() -> None:
    """Without an answer nothing is said about any record: the lane begins anew, and none becomes a dead letter."""
    with pytest.raises(SchemaRegistryUnreachable) as raised:
        await schemas(503, {"error_code": 50302, "message": "no"}).know_all([value("An"), b"no frame"])
    assert raised.value.retryable


async def test_a_schema_that_nobody_knows_is_poison() -> None:
    """A registry that answers that it has no such schema makes poison of the records that name it, as no frame does."""
    unknown = schemas(404, {"error_code": 40403, "message": "no such schema"})
    wrong = await unknown.know_all([value("An"), b"no frame"])
    assert wrong == {value("An")[:5]: "SchemaUnknown", b"no fr": "RecordUnreadable"}


@pytest.mark.parametrize("schema", ['syntax = "proto3";', '{"type": "object"}', '"Elsewhere"'])
async def test_a_schema_of_another_kind_is_poison(schema: str) -> None:
    """A registry of one's own may have other kinds under its ids: a record that names one is read by nobody."""
    other = schemas(200, {"schema": schema})
    assert await other.know_all([value("An")]) == {value("An")[:5]: "RecordUnreadable"}


async def test_unknown_ids_are_doubted_together() -> None:
    """However many ids of a batch a registry denies that may have to catch up, the lane waits for it once."""
    transport = httpx.MockTransport(lambda _: httpx.Response(404, json={"error_code": 40403, "message": "none"}))
    access = RegistryAccess("http://registry:8081/", settles_seconds=0.3)
    began = monotonic()
    wrong = await Schemas(SchemaRegistryClient(access, transport=transport)).know_all(
        [frame(schema_id, b"") for schema_id in range(1, 31)]
    )
    assert set(wrong.values()) == {"SchemaUnknown"}
    assert len(wrong) == 30
    assert monotonic() - began < 3
