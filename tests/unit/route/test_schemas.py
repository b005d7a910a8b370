"""What a lane does about schemas: a registry that is away makes it wait, a schema that nobody knows is poison."""

import httpx
import pytest

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
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
