"""How the schema registry begins where its topic does not answer."""

from typing import cast

import pytest

from bus.avro.registry.server import _read
from bus.avro.registry.store import SchemaStore
from bus.errors import BusError, KafkaUnreachable, TopicGone
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin


class Silent:
    """A store whose topic says nothing."""

    async def current(self) -> None:
        raise TimeoutError


@pytest.mark.parametrize(("there", "told"), [({}, TopicGone), ({"schemas": 1}, KafkaUnreachable)])
async def test_why_it_cannot_begin(
    there: dict[str, int], told: type[BusError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Kafka without a bus it must name the topic that is not there, and no traceback."""

    async def topics(_: Admin) -> dict[str, int]:
        return there

    monkeypatch.setattr(Admin, "topics", topics)
    with pytest.raises(told):
        await _read(cast("SchemaStore", Silent()), KafkaAccess("b:1"), "schemas")
