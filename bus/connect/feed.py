"""An HTTP service with a change feed as a source: entries by sequence, and pages of records by key.

`GET <feed>?after=SEQ&limit=N` answers `{"entries": [{"seq", "kind", "op": "upsert|delete", "id", "record"}], "head"}`;
`GET <page>?after_key=KEY&limit=N` answers `{"records", "next_key", "head"}`, where `head` is the newest sequence that
the records show. Both take a bearer token, and may answer 304 to If-None-Match, and 429 or 503 with Retry-After.

What the feed has lost is noticed, and its records are read anew: by HTTP 410; by `first`, the oldest sequence that is
kept, where an answer has it; by `history`, a name that changes when the sequence starts over; by a head that went back;
and where the manifest says that the sequence is `unbroken`, by any number left out.

An entry without a number, and one that is no object, is a dead letter, told once: its digest stays in the position
until the next number. A page that holds nothing else cannot be read past, and is asked for again.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any, ClassVar

import httpx

from bus.clock import now_ms
from bus.connect.login import login
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import Chunk, Position, Restarted, Seen, SourceChange, SourceEvent, Unreadable, as_it_came
from bus.connect.trouble import address, of_http
from bus.connect.unfit import original_bytes
from bus.errors import PositionLost, SourceUnfit, SourceUnreachable
from bus.model.change import Operation

POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 15.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
ANSWER_SECONDS = 120.0
"""A whole answer takes no longer; one that comes byte by byte never ends."""

ANSWER_BYTES = 1 << 26
"""An answer that is unpacked to more than that is not held."""

LONGEST_NUMBER = 20
"""So many digits a number may have that is written as text."""

_MEND = dict.fromkeys((401, 403), "Check the token, or the client's id and secret, in the connector's settings.")
_MEND_PATH = "Check the setting url, and the paths in the manifest's `feed`."


class FeedSource:
    """Settings: `url`, and `token` or what OAuth 2 needs (see `login`). A subclass names its manifest.

    Position: `seq`, the newest entry that was read, `history`, its name where the feed has one, and `odd`, the digests
    of what stands behind `seq` without a number and has been told.
    """

    manifest: ClassVar[Manifest]
    snapshots: ClassVar[bool] = True
    old_rows: ClassVar[bool] = False

    def __init__(self, place: Place) -> None:
        feed = self.manifest.feed
        assert feed is not None, "the manifest of a feed has a section `feed`"
        self._feed = feed
        self._connector = place.connector
        self._key = place.key()
        self._url = place.setting("url")
        self._login = login(place)
        self._newest: _Answer | None = None
        self._datasets = {rule.origin: name for name, rule in self.manifest.datasets.items()}
        self._http: httpx.AsyncClient | None = None
        self._told: dict[str, int] = {}
        self._rounds: dict[str, _Round] = {}
        self._start: Position = {"seq": 0}
        self._restarted = False

    derive = as_it_came

    async def open(self, after: Position | None) -> Position:
        """The head of the feed, or the given place in it. A head that lies before the place means another history."""
        if after is None:
            return self._begin(await self.head())
        answer = await self._get(self._feed.path, after=after["seq"], limit=1)
        if reason := self._lost(after, answer):
            raise PositionLost(connector=self._connector, reason=reason)
        return self._begin(after)

    def _begin(self, position: Position) -> Position:
        """Read on from here: what lies before is known to the feed alone."""
        self._told.clear()
        self._start, self._restarted = position, False
        return position

    async def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        """Page after page; at the head of the feed, again after a short pause."""
        position = after
        while True:
            answer = await self._get(self._feed.path, after=position["seq"], limit=self._feed.page_rows)
            if reason := self._lost(position, answer):
                position = self._begin(await self.head())
                self._restarted = True
                yield [Restarted(tuple(self.manifest.datasets), reason, position)]
                continue
            before, events = position, self._events(position, answer)
            position = events[-1].position if events else {**position, **_history(answer)}
            if position["seq"] == before["seq"] and len(answer["entries"]) >= self._feed.page_rows:
                reason = f"it has nothing but entries without a number after {before['seq']}"
                raise SourceUnreachable(connector=self._connector, reason=reason)
            self._told |= {one.dataset: one.position["seq"] for one in events if isinstance(one, SourceChange)}
            yield events or [Seen(position)]
            if position["seq"] >= int(answer["head"]):
                await asyncio.sleep(POLL_SECONDS)

    def _lost(self, position: Position, answer: dict[str, Any]) -> str | None:
        """Why the entries after a position are not all in the answer; None when they are. Raises SourceUnfit."""
        seq = int(position["seq"])
        if answer.get("gone"):
            return f"it no longer has the entries after {seq}"
        head = int(answer["head"])
        if "history" in position and position["history"] != _history(answer).get("history"):
            return "its sequence has started over under another name"
        if head < seq:
            return f"its feed ends at {head}, and was read up to {seq}"
        if (_whole_number(answer.get("first")) or 0) > seq + 1:
            return f"it keeps entries from {answer['first']} on, and was read up to {seq}"
        numbers = [seq, *(number for entry in answer["entries"] if (number := _number(entry)) is not None)]
        if any(after <= before for before, after in pairwise(numbers)):
            mend = "Each entry's seq must be greater than the one before it, and than `after`."
            raise SourceUnfit(connector=self._connector, reason="its feed is out of order", mend=mend)
        if self._feed.unbroken and numbers[-1] - seq != len(numbers) - 1:
            return f"its sequence leaves out numbers after {seq}"
        return None

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """One page of records; its head says which entries are in it, never fewer than the feed has shown.

        Where the feed has started over, what it told before may still be waiting, and a page is newer: `open` is first.
        """
        if self._restarted:
            raise SourceUnreachable(connector=self._connector, reason="its sequence has started over")
        words = {"limit": min(limit, self._feed.page_rows)} | ({} if after_key is None else {"after_key": after_key})
        answer = await self._get(self._feed.pages[dataset], **words)
        if "records" not in answer or "next_key" not in answer or after_key == answer["next_key"] is not None:
            mend = (
                'It must answer {"records": […], "next_key": …, "head": 7}, null after the last page, else a new key.'
            )
            raise SourceUnfit(connector=self._connector, reason=f"its pages of {dataset} lead nowhere", mend=mend)
        if self._circles(dataset, after_key, answer["next_key"]):
            mend = "Each page must go on after the last record of the one before, in one order of keys."
            raise SourceUnfit(connector=self._connector, reason=f"its pages of {dataset} go in a circle", mend=mend)
        head = int(answer["head"])
        told = await self._newest_told(dataset, head)
        if head < told:  # of a copy that lags behind: it would bring back what was
            reason = f"its pages of {dataset} are of {head}, and its feed has told {told}"
            raise SourceUnreachable(connector=self._connector, reason=reason)
        rows = tuple(row if isinstance(row, dict) else {"record": row} for row in answer["records"])
        return Chunk(dataset, rows, answer["next_key"], {"seq": head})

    def _circles(self, dataset: str, after_key: Any, next_key: Any) -> bool:
        """Whether a key comes again in one reading. One key is kept at a time, each for twice as many pages (Brent)."""
        before = self._rounds.get(dataset)
        if (
            after_key is None or before is None or before.last != after_key
        ):  # a reading begins, or a page is asked for again
            before = _Round(after_key, 0, 1, after_key)
        if next_key is not None and next_key == before.kept:
            return True
        steps = before.steps + 1
        kept = (before.kept, steps, before.most) if steps < before.most else (next_key, 0, before.most * 2)
        self._rounds[dataset] = _Round(*kept, next_key)
        return False

    async def _newest_told(self, dataset: str, head: int) -> int:
        """The newest entry of a dataset that the feed has told, also before this start where a page may lack it.

        A head that lies before the start need not be that of a copy that lags behind: a service may tell the head of
        each kind by itself. The entries from there to the start show which it is, where the feed still has them.

        Raises SourceUnreachable where it has started over.
        """
        begun = int(self._start["seq"])
        if head < begun and dataset not in self._told:
            place, found, kind = head, head, self.manifest.datasets[dataset].origin
            while place < begun:
                answer = await self._get(self._feed.path, after=place, limit=self._feed.page_rows)
                if not answer.get("gone") and (reason := self._lost(self._start, {**answer, "entries": ()})):
                    raise SourceUnreachable(connector=self._connector, reason=reason)  # the page is of another history
                numbered = [(number, entry) for entry in answer.get("entries", ()) if (number := _number(entry))]
                if not numbered:
                    break
                place = numbered[-1][0]
                found = max([found, *(number for number, entry in numbered if str(entry.get("kind")) == kind)])
            self._told.setdefault(dataset, found)
        return self._told.get(dataset, 0)

    async def confirm(self, position: Position) -> None:
        """A feed keeps its entries."""

    async def head(self) -> Position:
        """The newest sequence. Asked from the beginning, which a feed may have forgotten: its head is told anyway."""
        answer = await self._get(self._feed.path, after=0, limit=1)
        if answer.get("gone") and answer["head"] is None:
            mend = "With HTTP 410 the feed must tell its `head`, so that it can be read on from there."
            raise SourceUnfit(connector=self._connector, reason="it forgets entries and tells no head", mend=mend)
        return {"seq": int(answer["head"]), **_history(answer)}

    def passed(self, position: Position, goal: Position) -> bool:
        """By sequence."""
        return bool(position["seq"] >= goal["seq"])

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _events(self, after: Position, answer: dict[str, Any]) -> list[SourceEvent]:
        """The events of a page's entries, in their order."""
        history, position = _history(answer), after
        events: list[SourceEvent] = []
        for entry in answer["entries"]:
            number = _number(entry)
            if number is not None:
                events.append(self._event(entry, {"seq": number, **history}))
            elif (digest := _digest(entry, self._key)) not in position.get("odd", ()):
                events.append(_nameless(entry, digest, {**position, **history}))
            position = events[-1].position if events else position
        return events

    def _event(self, entry: dict[str, Any], position: Position) -> SourceEvent:
        """An entry of a kind that the manifest does not name says nothing to us."""
        dataset = self._datasets.get(str(entry.get("kind")))
        if dataset is None:
            return Seen(position)
        operation, record, record_id = entry.get("op"), entry.get("record"), entry.get("id")
        change_id = str(entry["seq"])
        if operation == "delete" and record_id not in (None, ""):  # 0 is an id as any other
            return SourceChange(dataset, Operation.DELETED, None, None, change_id, position, str(record_id))
        if operation == "upsert" and isinstance(record, dict):
            return SourceChange(dataset, Operation.UPDATED, None, record, change_id, position)
        original = original_bytes(entry)
        return Unreadable(
            dataset,
            original,
            "the entry is neither an upsert with a record nor a delete with an id",
            change_id,
            position,
        )

    async def _get(self, path: str, **words: object) -> dict[str, Any]:
        """The JSON object of an answer. Raises SourceUnreachable, SourceUnfit."""
        if self._http is None:
            self._http = self._client()
        question = (path, *words.items())
        known = self._newest if self._newest and self._newest.question == question else None
        headers = {"if-none-match": known.etag} if known else {}
        params = {name: str(value) for name, value in words.items()}
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._http.stream("GET", path, params=params, headers=headers) as answer,
            ):
                body = await self._whole(answer, path)
        except httpx.UnsupportedProtocol as error:
            raise self._no_address(error) from None
        except TimeoutError:
            reason = f"{address(self._url)} takes too long to answer"
            raise SourceUnreachable(connector=self._connector, reason=reason) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise SourceUnreachable(connector=self._connector, reason=of_http(error, self._url)) from error
        if known and answer.status_code == httpx.codes.NOT_MODIFIED:
            return known.found
        found = await self._good(answer, path, body)
        etag = answer.headers.get("etag")
        self._newest = _Answer(question, etag, found) if etag else None
        return found

    async def _whole(self, answer: httpx.Response, path: str) -> bytes:
        """What stands in an answer, unpacked. Raises SourceUnfit, before it fills the memory."""
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > ANSWER_BYTES:
                reason = f"{address(self._url)}{path} answers more than {ANSWER_BYTES >> 20} MiB at once"
                mend = "It must keep to `limit`; a smaller page_rows in the manifest's `feed` asks for less."
                raise SourceUnfit(connector=self._connector, reason=reason, mend=mend)
        return bytes(body)

    def _client(self) -> httpx.AsyncClient:
        """Raises SourceUnfit."""
        try:
            return httpx.AsyncClient(base_url=self._url, auth=self._login, timeout=TIMEOUT_SECONDS)
        except httpx.InvalidURL as error:
            raise self._no_address(error) from None

    def _no_address(self, error: httpx.UnsupportedProtocol | httpx.InvalidURL) -> SourceUnfit:
        mend = "Write it as https://host:port in the setting url; the manifest's paths come behind it."
        return SourceUnfit(connector=self._connector, reason=of_http(error, self._url), mend=mend)

    async def _good(self, answer: httpx.Response, path: str, body: bytes) -> dict[str, Any]:
        """What a good answer says; one that asks for patience is given it first."""
        if answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            await asyncio.sleep(_retry_after(answer))
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            reason = f"{address(self._url)}{path} answers HTTP {answer.status_code}"
            raise SourceUnreachable(connector=self._connector, reason=reason)
        if answer.status_code == httpx.codes.GONE:
            told = _object(body)
            return {"head": _whole_number(told.get("head")), "history": told.get("history"), "gone": True}
        if not answer.is_success:
            reason = f"{address(self._url)}{path} answers HTTP {answer.status_code}"
            raise SourceUnfit(connector=self._connector, reason=reason, mend=_MEND.get(answer.status_code, _MEND_PATH))
        found, listed = _object(body), "entries" if path == self._feed.path else "records"
        if not found and body.lstrip().startswith(b"{") and not body.rstrip().endswith(b"}"):
            raise SourceUnreachable(connector=self._connector, reason=f"{address(self._url)} broke off its answer")
        if not _is_answer(found) or (path == self._feed.path and listed not in found):
            mend = f'It must answer {{"{listed}": […], "head": 7}}; check the paths in the manifest\'s `feed`.'
            reason = f"{address(self._url)}{path} is no feed"
            raise SourceUnfit(connector=self._connector, reason=reason, mend=mend)
        return found


@dataclass(frozen=True, slots=True)
class _Answer:
    """The newest answer that had an ETag: while nothing happens, the same question is asked again and again."""

    question: tuple[Any, ...]
    etag: str
    found: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Round:
    """How far the pages of a dataset have come: a key that is kept for `most` pages, `steps` since; the newest key."""

    kept: Any
    steps: int
    most: int
    last: Any


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_answer(found: dict[str, Any]) -> bool:
    listed = [found[name] for name in ("entries", "records") if name in found]
    return (
        _whole_number(found.get("head")) is not None and bool(listed) and all(isinstance(one, list) for one in listed)
    )


def _number(entry: Any) -> int | None:
    """The sequence of an entry; None where it has none."""
    return _whole_number(entry.get("seq")) if isinstance(entry, dict) else None


def _whole_number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _digest(entry: Any, key: bytes) -> str:
    return hashlib.blake2b(json.dumps(entry, sort_keys=True).encode(), key=key, digest_size=8).hexdigest()


def _nameless(entry: Any, digest: str, position: Position) -> Unreadable:
    """A dead letter for what has no number; its place is that of the entry before it."""
    place = {**position, "odd": [*position.get("odd", ()), digest]}
    original = original_bytes(entry)
    return Unreadable(None, original, "the entry has no number (seq)", f"{position['seq']}.{digest}", place)


def _history(answer: dict[str, Any]) -> dict[str, Any]:
    name = answer.get("history")
    return {} if name is None else {"history": str(name)}


def _retry_after(answer: httpx.Response) -> float:
    """Seconds, or the time until a date; nonsense counts as one second."""
    text = answer.headers.get("retry-after", "1")
    try:
        seconds = float(text) if text.replace(".", "", 1).isdigit() else _seconds_until(text)
    except (ValueError, TypeError):
        return 1.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _seconds_until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - now_ms() / 1000
