"""A feed's answers: pages that lead on, in a circle, or to no end; what is too large, or cut off."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from bus.connect.feed import FeedSource
from bus.errors import SourceUnfit, SourceUnreachable
from tests.unit.connect.conftest import Answer, Sources


async def read_whole(source: FeedSource, *, most: int = 50) -> None:
    """All pages of a dataset, or so many of them."""
    key = None
    for _ in range(most):
        if (key := (await source.chunk("one.thing", key, 10)).last_key) is None:
            return


def leading(to: Callable[[int], int | None]) -> Answer:
    """A service whose pages lead from one number to another."""

    def page(request: httpx.Request) -> httpx.Response:
        key = int(request.url.params.get("after_key", 0))
        return httpx.Response(200, json={"records": [], "next_key": to(key), "head": 5})

    return page


@pytest.mark.parametrize("begin", [1, 4])
async def test_pages_that_go_in_a_circle_are_refused(sources: Sources, begin: int) -> None:
    """Pages whose keys come again are told to the operator, also where the circle begins after some pages."""
    with pytest.raises(SourceUnfit, match=r"pages of one\.thing go in a circle"):
        await read_whole(sources(leading(lambda key: key + 1 if key < 7 else begin)))


async def test_a_page_that_is_asked_for_again_is_no_circle(sources: Sources) -> None:
    """After an interruption the pages are read again from any of them, as often as it takes."""
    source = sources(leading(lambda key: key + 1))
    for key in (None, None, 1, 2, 2, 2, 3, 1, 2, 3, None, 1):
        assert (await source.chunk("one.thing", key, 10)).last_key == (key or 0) + 1


@pytest.mark.parametrize("pages", [1, 2, 3, 5, 8])
async def test_another_reading_is_no_circle(sources: Sources, pages: int) -> None:
    """What was read to its end is read again from its first page, and leads over the same keys."""
    source = sources(leading(lambda key: key + 1 if key < pages else None))
    for _ in range(3):
        await read_whole(source)


async def test_an_answer_that_unpacks_to_too_much_is_refused(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small answer that unpacks to more than is held at once ends with what to do, and does not fill the memory."""
    monkeypatch.setattr("bus.connect.feed.ANSWER_BYTES", 1 << 16)
    packed = gzip.compress(b" " * (1 << 20))
    source = sources(lambda _: httpx.Response(200, content=packed, headers={"content-encoding": "gzip"}))
    with pytest.raises(SourceUnfit, match="at once") as refused:
        await source.head()
    assert "page_rows" in refused.value.how_to_mend


async def test_an_answer_that_never_ends_is_given_up(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes byte by byte counts as none, and the connector says that it waits."""
    monkeypatch.setattr("bus.connect.feed.ANSWER_SECONDS", 0.05)

    async def drip() -> AsyncIterator[bytes]:
        yield b" "
        await asyncio.Event().wait()

    with pytest.raises(SourceUnreachable, match="takes too long"):
        await sources(lambda _: httpx.Response(200, content=drip())).head()


@pytest.mark.parametrize("body", [b'{"entries": [], "he', b'{"entries": [{"seq": 1'])
async def test_an_answer_that_is_cut_off_is_asked_for_again(sources: Sources, body: bytes) -> None:
    """A proxy may break off without a word; that is no feed of another form, which would end the connector."""
    with pytest.raises(SourceUnreachable, match="broke off"):
        await sources(lambda _: httpx.Response(200, content=body)).head()
