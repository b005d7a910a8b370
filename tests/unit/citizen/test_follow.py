"""Following the topics while the process lives."""

import asyncio

import pytest

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.citizen import follow
from bus.citizen.follow import Effects, Follower
from bus.errors import RightMissing
from bus.kafka.access import KafkaAccess
from bus.model.record import Incoming
from bus.topics import Topics


async def test_following_goes_on_after_whatever_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever failed, the following goes on: what nobody foresaw is told by its kind alone, ours by why and where."""

    async def apply(_record: Incoming) -> None: ...

    monkeypatch.setattr(follow, "FIRST_PAUSE_SECONDS", 0.0)
    effects = Effects(OwnMessages(SchemaRegistryClient(RegistryAccess("http://nowhere"))), "consents")
    follower = Follower(KafkaAccess("nowhere:1"), Topics("", 1), apply, effects)
    again, tries = (
        asyncio.Event(),
        iter((TypeError("0123"), RightMissing(user="citizen", what="read x", bootstrap="b:1"))),
    )
    told = list[str]()
    monkeypatch.setattr(follow, "emit", lambda _event, *, error, **_: told.append(error))

    async def failing() -> None:
        error = next(tries, None)
        if error is not None:
            raise error
        again.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(follower, "_follow", failing)
    running = asyncio.create_task(follower._run())
    async with asyncio.timeout(10):
        await again.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert told == ["TypeError", "the Kafka user citizen may not read x at b:1"]
