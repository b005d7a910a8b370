"""A bus under chaos on the session's broker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.kafka.access import KafkaAccess
from tests.chaos.bus import Chaos, chaos_bus, environment


@pytest.fixture
async def chaos(
    kafka: KafkaAccess, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Chaos]:
    """A founded bus of three lanes with one agreement by law and one by consent."""
    for name, value in environment(kafka).items():
        monkeypatch.setenv(name, value)
    async with chaos_bus(kafka, prefix, tmp_path) as found:
        yield found
