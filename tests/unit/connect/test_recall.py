"""What a connector reads back of its topics."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bus.connect import recall
from bus.connect.publish import Contract
from bus.connect.recall import Reach, read_stale
from bus.connect.standing import Standing
from bus.model.key import RecordKey
from bus.model.record import Incoming
from bus.topics import Topics


async def test_what_another_connector_published_is_stale(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a dataset comes over from another connector, a record that is gone meanwhile goes, whatever its epoch."""
    published = [("p1/gone", "old-one.9.1"), ("p1/met", "old-one.9.2"), ("p1/met", "new.3.s0.0"), ("p1/own", "new.2.5")]

    async def whole(*_: Any, **__: Any) -> AsyncIterator[list[Incoming]]:
        for offset, (key, ce_id) in enumerate(published):
            yield [Incoming("changes.test.right", 0, offset, 0, key.encode(), b"-", (("ce_id", ce_id.encode()),))]

    monkeypatch.setattr(recall, "whole", whole)
    reach: Any = Reach(None, None, Topics("", 4))  # type: ignore[arg-type] # nobody is reached by it
    stale = await read_stale(reach, "test.right", contract, Standing("new", epoch=3), {})
    assert stale == [RecordKey("p1", "gone"), RecordKey("p1", "own")]
