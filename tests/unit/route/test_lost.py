"""What is told of a broker that has less than a lane had committed there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from bus.route.load import Decoder, Loader, Stood
from bus.route.state import Position
from bus.route.store.resume import resume
from bus.route.store.shelf import Shelf
from bus.telemetry import Event

KEPT = Stood(Position(40, 4, 40, 40, {}, 40, 40), 400)


class Broker:
    """In place of a loader: tells where the lane stands, and has nothing to read."""

    def __init__(self, stood: Stood | None) -> None:
        self._stood = stood

    async def stood(self) -> Stood | None:
        return self._stood

    async def fill(self, *_: Any) -> None:
        """Nothing more is there."""


@pytest.mark.parametrize(
    ("stood", "committed"),
    [
        (None, [None]),
        (Stood(KEPT.position, 399), [399]),
        (Stood(replace(KEPT.position, lane_time_ms=41, register_offset=41), 400), [400]),
        (KEPT, []),
        (Stood(replace(KEPT.position, block=5), 401), []),
    ],
)
async def test_a_broker_that_lost_records_is_told_of(
    stood: Stood | None, committed: list[int | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That committed records are gone must be logged as an error, with what to do; not where a store is behind."""
    shelf = Shelf.take(tmp_path, "bus", 3)
    shelf.open().stand(KEPT.position, KEPT.offset)
    shelf.put_back(good=True, synced=True)
    told: list[Mapping[str, Any]] = []
    monkeypatch.setattr(
        "bus.route.store.resume.emit", lambda event, **words: told.append(words) if event is Event.STORE_AHEAD else None
    )
    shelf, loader = Shelf.take(tmp_path, "bus", 3), cast("Loader", Broker(stood))
    await resume(shelf, loader, {}, cast("Decoder", None), range(10**15))
    shelf.put_back(good=True, synced=False)
    assert [(one["lane"], one["kept"], one["committed"]) for one in told] == [(3, 400, where) for where in committed]
    assert all("consents" in one["remedy"] for one in told)
    assert Event.STORE_AHEAD.level == "error"
