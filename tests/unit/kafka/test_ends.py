"""Questions for ends that are asked together."""

import asyncio
from collections.abc import Iterable

import pytest

from bus.kafka.ends import Ends
from bus.kafka.log import Place

A, B, C = Place("a", 0), Place("b", 0), Place("c", 0)


class Broker:
    """Answers when told to, with the number of the question as every end."""

    def __init__(self) -> None:
        self.asked: list[set[Place]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.news = asyncio.Event()

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        number = len(self.asked)
        self.asked.append(set(places))
        self.answers.append(asyncio.get_running_loop().create_future())
        self.news.set()
        await self.answers[number]
        return dict.fromkeys(self.asked[number], number)

    async def question(self, number: int) -> None:
        """Wait until a question has come."""
        while len(self.asked) <= number:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 5)


@pytest.fixture
async def broker() -> Broker:
    return Broker()


@pytest.fixture
async def ends(broker: Broker) -> Ends:
    return Ends(broker)


async def test_nobody_gets_an_answer_older_than_the_question(ends: Ends, broker: Broker) -> None:
    """Who asks while a question is under way is answered by the next one, together with all others who wait."""
    first = asyncio.create_task(ends.ends([A]))
    await broker.question(0)
    later = [asyncio.create_task(ends.ends([place])) for place in (A, B, C)]
    await asyncio.sleep(0)
    broker.answers[0].set_result(None)
    assert await first == {A: 0}
    await broker.question(1)
    assert broker.asked == [{A}, {A, B, C}]
    broker.answers[1].set_result(None)
    assert await asyncio.gather(*later) == [{A: 1}, {B: 1}, {C: 1}]


async def test_each_question_is_asked(ends: Ends, broker: Broker) -> None:
    """Who asks when nothing is under way any more has the broker asked anew, however often."""
    for number in range(3):
        asked = asyncio.create_task(ends.ends([A]))
        await broker.question(number)
        broker.answers[number].set_result(None)
        assert await asked == {A: number}


async def test_who_waits_at_the_end_is_let_go(ends: Ends, broker: Broker) -> None:
    """When no question is answered any more nobody waits on: not for the one under way, nor for the next."""
    waiting = [asyncio.create_task(ends.ends([A]))]
    await broker.question(0)
    waiting.append(asyncio.create_task(ends.ends([B])))
    await asyncio.sleep(0)
    await ends.stop()
    told = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert [type(one) for one in told] == [asyncio.CancelledError] * 2
    assert broker.asked == [{A}]


async def test_a_failure_reaches_who_asked_and_nobody_else(ends: Ends, broker: Broker) -> None:
    """A question that fails is told to those whose it was; the next one is asked all the same."""
    first = asyncio.create_task(ends.ends([A]))
    await broker.question(0)
    second = asyncio.create_task(ends.ends([B]))
    await asyncio.sleep(0)
    broker.answers[0].set_exception(ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        await first
    await broker.question(1)
    broker.answers[1].set_result(None)
    assert await second == {B: 1}


async def test_who_gives_up_disturbs_nobody(ends: Ends, broker: Broker) -> None:
    """A lane that is cancelled while it waits takes no answer away from the others."""
    gone, stays = asyncio.create_task(ends.ends([A])), asyncio.create_task(ends.ends([B]))
    await broker.question(0)
    gone.cancel()
    broker.answers[0].set_result(None)
    assert await stays == {B: 0}
