"""A feed as its source reads it, against a service in the same process: what it says, and what it leaves out."""

import json
from typing import Any

import httpx
import pytest

from bus.clock import now_ms
from bus.connect.feed import FeedSource
from bus.connect.source import Restarted, Seen, SourceChange, Unreadable
from bus.errors import PositionLost, SourceUnfit, SourceUnreachable
from tests.unit.connect.conftest import Sources

OAUTH = {"token_url": "http://login.test/token", "client_id": "bus", "client_secret": "s"}


def entries(*numbers: int) -> list[dict[str, Any]]:
    return [{"seq": n, "kind": "thing", "op": "upsert", "id": "a", "record": {"id": "a"}} for n in numbers]


def answer(*numbers: int, head: int | None = None, **more: Any) -> httpx.Response:
    """A page of the feed."""
    return httpx.Response(200, json={"entries": entries(*numbers), "head": head or max(numbers, default=0), **more})


async def first(source: FeedSource, position: dict[str, Any]) -> Any:
    """What the source tells first after a position."""
    stream = source.changes(position)
    try:
        return (await anext(stream))[-1]
    finally:
        await stream.aclose()  # type: ignore[attr-defined] # it is an async generator


@pytest.mark.parametrize(
    ("position", "said", "rule"),
    [
        ({"seq": 5}, {"numbers": (), "head": 3}, {}),
        ({"seq": 5}, {"numbers": (9,), "first": 8}, {}),
        ({"seq": 5, "history": "a"}, {"numbers": (6,), "history": "b"}, {}),
        ({"seq": 5}, {"numbers": (6, 8)}, {"unbroken": True}),
        ({"seq": 5}, {"numbers": (7,)}, {"unbroken": True}),
    ],
    ids=["head-went-back", "trimmed", "another-history", "left-out-within", "left-out-before"],
)
async def test_a_loss_is_noticed(
    sources: Sources, position: dict[str, Any], said: dict[str, Any], rule: dict[str, Any]
) -> None:
    """What the feed no longer tells starts a full reading, while it is followed and when it is opened."""
    said = dict(said)
    numbers = said.pop("numbers")
    source = sources(lambda _: answer(*numbers, **said), **rule)
    event = await first(source, position)
    assert isinstance(event, Restarted)
    assert event.datasets == ("one.thing",)
    with pytest.raises(PositionLost):
        await source.open(position)


async def test_numbers_left_out_are_no_loss_by_themselves(sources: Sources) -> None:
    """A sequence of which nobody promised that it is unbroken may leave out numbers."""
    event = await first(sources(lambda _: answer(7, 9)), {"seq": 5})
    assert isinstance(event, SourceChange)
    assert event.position == {"seq": 9}


async def test_gone(sources: Sources) -> None:
    """HTTP 410 means that the entries are forgotten; reading goes on at the head that comes with it."""
    source = sources(lambda _: httpx.Response(410, json={"head": 12}))
    event = await first(source, {"seq": 5})
    assert isinstance(event, Restarted)
    assert event.position == {"seq": 12}


@pytest.mark.parametrize("head", [None, "soon", "9" * 5000, 1.5])
async def test_a_head_that_is_no_number_is_told(sources: Sources, head: Any) -> None:
    """Also of what is forgotten: without its number nobody knows where to read on, and the connector says so."""
    source = sources(lambda _: httpx.Response(410, json={"head": head}))
    with pytest.raises(SourceUnfit, match="it forgets entries and tells no head"):
        await first(source, {"seq": 5})
    source = sources(lambda _: httpx.Response(200, json={"entries": entries(6), "head": head}))
    with pytest.raises(SourceUnfit, match="is no feed"):
        await first(source, {"seq": 5})


@pytest.mark.parametrize("oldest", ["soon", None, [], "9" * 5000])
async def test_an_oldest_entry_that_is_no_number_says_nothing(sources: Sources, oldest: Any) -> None:
    """What a feed keeps is asked of numbers alone; its entries are read all the same."""
    event = await first(sources(lambda _: answer(6, first=oldest)), {"seq": 5})
    assert isinstance(event, SourceChange)


@pytest.mark.parametrize(("named", "record_id"), [(0, "0"), ("a", "a"), ("", None), (None, None)])
async def test_a_deletion_names_its_record(sources: Sources, named: Any, record_id: str | None) -> None:
    """Any id will do, the number 0 too; without one the entry is a dead letter."""
    body = {"entries": [{"seq": 6, "kind": "thing", "op": "delete", "id": named}], "head": 6}
    event = await first(sources(lambda _: httpx.Response(200, json=body)), {"seq": 5})
    assert getattr(event, "record_id", None) == record_id
    assert isinstance(event, Unreadable if record_id is None else SourceChange)


async def test_a_page_of_a_lagging_copy_waits(sources: Sources) -> None:
    """A page that does not show what the feed has told already would bring back what was: it is asked for again."""
    pages = iter([4, 5])

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/feed":
            return answer(5)
        return httpx.Response(200, json={"records": [{"id": "a"}], "next_key": None, "head": next(pages)})

    source = sources(answers)
    await first(source, {"seq": 4})
    with pytest.raises(SourceUnreachable, match="are of 4, and its feed has told 5"):
        await source.chunk("one.thing", None, 10)
    assert (await source.chunk("one.thing", None, 10)).high == {"seq": 5}


@pytest.mark.parametrize("after", [None, {"seq": 5}], ids=["the first start", "a restart"])
@pytest.mark.parametrize(("kind", "lags"), [("thing", True), ("other", False)])
async def test_the_first_page_of_a_lagging_copy_waits(
    sources: Sources, after: dict[str, Any] | None, kind: str, *, lags: bool
) -> None:
    """What was told before a start, the stream tells no more: a page that lacks it waits, also as the first.

    A head that is only that of its own kind lacks nothing.
    """
    pages = iter([3, 5])
    told = [one | {"kind": kind} for one in entries(4, 5)]

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/feed":
            place = int(request.url.params["after"])
            return httpx.Response(200, json={"entries": [one for one in told if one["seq"] > place], "head": 5})
        return httpx.Response(200, json={"records": [{"id": "a"}], "next_key": None, "head": next(pages)})

    source = sources(answers)
    await source.open(after)
    if lags:
        with pytest.raises(SourceUnreachable, match="are of 3, and its feed has told 5"):
            await source.chunk("one.thing", None, 10)
    assert (await source.chunk("one.thing", None, 10)).high == {"seq": 5 if lags else 3}


async def test_a_page_of_another_history_waits(sources: Sources) -> None:
    """Where the sequence has started over, a first page is newer than what is still to be told of the old one."""

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/feed":
            return answer(head=9, history="a") if request.url.params["after"] == "9" else answer(head=2, history="b")
        return httpx.Response(200, json={"records": [{"id": "a"}], "next_key": None, "head": 2})

    source = sources(answers)
    await source.open({"seq": 9, "history": "a"})
    with pytest.raises(SourceUnreachable, match="started over"):
        await source.chunk("one.thing", None, 10)


async def test_a_page_waits_until_a_new_history_is_begun(sources: Sources) -> None:
    """What the old one has told may not be published yet when the stream has noticed: a page would come before it."""

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/feed":
            return answer(head=2)
        return httpx.Response(200, json={"records": [{"id": "a"}], "next_key": None, "head": 2})

    source = sources(answers)
    event = await first(source, {"seq": 5})
    assert isinstance(event, Restarted)
    with pytest.raises(SourceUnreachable, match="started over"):
        await source.chunk("one.thing", None, 10)
    await source.open(event.position)
    assert (await source.chunk("one.thing", None, 10)).high == {"seq": 2}


@pytest.mark.parametrize(
    "page",
    [
        httpx.Response(200, json={"records": [], "next_key": "k", "head": 5}),
        httpx.Response(200, json={"records": [], "head": 5}),
        httpx.Response(200, json={"entries": [], "next_key": None, "head": 5}),
        httpx.Response(410, json={"head": 5}),
    ],
    ids=["the-same-key", "no-next-key", "no-records", "gone"],
)
async def test_pages_that_lead_nowhere_are_refused(sources: Sources, page: httpx.Response) -> None:
    """Pages that never come to an end, or do not tell whether they have, are told to the operator."""
    with pytest.raises(SourceUnfit, match=r"pages of one\.thing lead nowhere"):
        await sources(lambda _: page).chunk("one.thing", "k", 10)


async def test_out_of_order(sources: Sources) -> None:
    """A feed that tells later entries before earlier ones cannot be read at all."""
    with pytest.raises(SourceUnfit, match="out of order"):
        await first(sources(lambda _: answer(7, 6)), {"seq": 5})


async def test_not_modified(sources: Sources) -> None:
    """The same question goes out with the ETag of its last answer, and 304 means the same answer."""
    asked: list[str | None] = []

    def say(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("if-none-match"))
        if asked[-1] == '"x"':
            return httpx.Response(304)
        return httpx.Response(200, json={"entries": [], "head": 5}, headers={"etag": '"x"'})

    source = sources(say)
    assert await first(source, {"seq": 5}) == await first(source, {"seq": 5}) == Seen({"seq": 5})
    await source.head()
    assert asked == [None, '"x"', None]


@pytest.mark.parametrize(
    ("text", "least", "most"), [("0.5", 0.5, 0.5), ("99999", 300, 300), ("soon", 1, 1), ("-3", 1, 1), ("date", 50, 61)]
)
async def test_patience(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, text: str, least: float, most: float
) -> None:
    """429 is answered by the pause that it asks for, in seconds or until a date, and never for ever."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("bus.connect.feed.asyncio.sleep", pause)
    if text == "date":
        from email.utils import formatdate  # noqa: PLC0415 - only here

        text = formatdate(now_ms() / 1000 + 60, usegmt=True)
    source = sources(lambda _: httpx.Response(429, headers={"retry-after": text}))
    with pytest.raises(SourceUnreachable, match="429"):
        await source.head()
    assert least <= pauses[0] <= most


async def test_client_credentials(sources: Sources) -> None:
    """A token is asked for once, sent with each request, and renewed once when the service refuses it."""
    asked: list[str] = []

    def say(request: httpx.Request) -> httpx.Response:
        if request.url.host == "login.test":
            asked.append("token")
            assert request.headers["authorization"].startswith("Basic ")
            assert b"grant_type=client_credentials" in request.content
            return httpx.Response(200, json={"access_token": f"t{asked.count('token')}", "expires_in": 3600})
        asked.append(request.headers["authorization"])
        return httpx.Response(401) if request.headers["authorization"].endswith("t1") and len(asked) > 3 else answer(5)

    source = sources(say, {"url": "http://feed.test", **OAUTH})
    for _ in range(3):
        await source.head()
    assert asked == ["token", "Bearer t1", "Bearer t1", "Bearer t1", "token", "Bearer t2"]


async def test_a_refused_login(sources: Sources) -> None:
    """A login that is refused ends the connector with a text that names the settings and shows no secret."""
    source = sources(lambda _: httpx.Response(401, text=json.dumps({"error": "s"})), {"url": "http://x.test", **OAUTH})
    with pytest.raises(SourceUnfit) as refused:
        await source.head()
    assert "client_secret" in refused.value.how_to_mend


async def page_of(source: FeedSource, position: Any) -> list[Any]:
    """What the source tells at once after a position."""
    stream = source.changes(position)
    try:
        return list(await anext(stream))
    finally:
        await stream.aclose()  # type: ignore[attr-defined] # the sources are async generators


async def test_what_has_no_number_is_told_once(sources: Sources) -> None:
    """Entries without a number are unreadable, the others pass; asked again from there, they are not told again."""
    odd: list[Any] = [{"kind": "thing"}, "nonsense", {"seq": "x"}]
    page = [*entries(1), *odd, *entries(2), {"seq": None}]
    body = {"entries": page, "head": 2}
    found = await page_of(sources(lambda _: httpx.Response(200, json=body)), {"seq": 0})
    assert [type(event) for event in found] == [
        SourceChange,
        Unreadable,
        Unreadable,
        Unreadable,
        SourceChange,
        Unreadable,
    ]
    assert [event.position["seq"] for event in found] == [1, 1, 1, 1, 2, 2]
    assert len({event.change_id for event in found}) == len(found)
    rest = {"entries": [{"seq": None}], "head": 2}
    (again,) = await page_of(sources(lambda _: httpx.Response(200, json=rest)), found[-1].position)
    assert again == Seen(found[-1].position)
    middle = {"entries": page[1:], "head": 2}
    resumed = await page_of(sources(lambda _: httpx.Response(200, json=middle)), found[2].position)
    assert [event.change_id for event in resumed] == [event.change_id for event in found[3:]]


async def test_a_page_without_a_number_is_asked_for_again(sources: Sources) -> None:
    """Where nothing leads past a page, the source counts as out of reach, and the connector waits."""
    body = {"entries": [{"kind": "thing"}, {"kind": "thing", "x": 1}], "head": 9}
    with pytest.raises(SourceUnreachable, match="without a number"):
        await first(sources(lambda _: httpx.Response(200, json=body), page_rows=2), {"seq": 0})


@pytest.mark.parametrize(
    "body",
    [{"records": [], "head": 1}, {"entries": 5, "head": 1}, {"entries": [], "head": "soon"}, {"entries": []}, []],
)
async def test_what_is_no_feed_is_refused(sources: Sources, body: Any) -> None:
    """An answer without a list of entries and a head that is a number is told to the operator, by its path."""
    with pytest.raises(SourceUnfit, match="/feed is no feed"):
        await first(sources(lambda _: httpx.Response(200, json=body)), {"seq": 0})
