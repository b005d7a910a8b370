"""How a connector begins."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.connect import runner
from bus.model.waits import MEND_WAIT


class Begins:
    """In place of a writer that the broker lets begin when it likes."""

    def __init__(self) -> None:
        self.may = asyncio.Event()

    async def start(self) -> None:
        await self.may.wait()


@pytest.mark.parametrize("long", [False, True])
async def test_a_start_that_the_broker_holds_up_is_told(monkeypatch: pytest.MonkeyPatch, *, long: bool) -> None:
    """What a predecessor left open may not be ended for long: who looks for why nothing comes finds it in the log."""
    monkeypatch.setattr(runner, "TOLD_AFTER_SECONDS", 0.01 if long else 60)
    writer: Any = Begins()
    with capture_logs() as lines:
        beginning = asyncio.ensure_future(runner.begin(writer, "land"))
        await asyncio.wait({beginning}, timeout=0.1)
        writer.may.set()
        await beginning
    told = [(one["event"], one["connector"], one["remedy"]) for one in lines]
    assert told == ([("connector-waits", "land", MEND_WAIT)] if long else [])
