"""An HTTP service with a change feed as a source: entries by sequence, and pages of records by key.

`GET <feed>?after=SEQ&limit=N` answers `{"entries": [{"seq", "kind", "op": "upsert|delete", "id", "record"}], "head"}`;
`GET <page>?after_key=KEY&limit=N` answers `{"records", "next_key", "head"}`, where `head` is the newest sequence that
the records show. Both take a bearer token.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import httpx

from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import Chunk, Position, Row, Seen, SourceChange, SourceEvent, Unreadable
from bus.errors import PositionLost, SourceUnfit, SourceUnreachable
from bus.model.change import Operation

POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 15.0
LONGEST_RETRY_AFTER_SECONDS = 30.0


class FeedSource:
    """Settings: `url` and `token`. Position: `seq`, the newest entry that was read. A subclass names its manifest."""

    manifest: ClassVar[Manifest]
    snapshots: ClassVar[bool] = True
    old_rows: ClassVar[bool] = False

    def __init__(self, place: Place) -> None:
        feed = self.manifest.feed
        assert feed is not None, "the manifest of a feed has a section `feed`"
        self._feed = feed
        self._connector = place.connector
        self._url = place.setting("url")
        self._headers = {"authorization": f"Bearer {place.setting('token')}"}
        self._datasets = {rule.origin: name for name, rule in self.manifest.datasets.items()}
        self._http: httpx.AsyncClient | None = None

    def derive(self, dataset: str, row: Row) -> Row:  # noqa: ARG002 - for subclasses to override
        """The row as it came; a subclass may make the columns that its manifest reads."""
        return row

    async def open(self, after: Position | None) -> Position:
        """The head of the feed, or the given place in it. A head that lies before the place means another history."""
        head = await self.head()
        if after is None:
            return head
        if head["seq"] < after["seq"]:
            reason = f"its feed ends at {head['seq']}, and was read up to {after['seq']}"
            raise PositionLost(connector=self._connector, reason=reason)
        return after

    async def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        """Page after page; at the head of the feed, again after a short pause."""
        seq = int(after["seq"])
        while True:
            answer = await self._get(self._feed.path, after=seq, limit=self._feed.page_rows)
            entries = answer["entries"]
            if int(answer["head"]) < seq:
                raise SourceUnreachable(connector=self._connector, reason="its feed went back to an earlier sequence")
            events = [self._event(entry) for entry in entries]
            if entries:
                seq = int(entries[-1]["seq"])
            yield events or [Seen({"seq": seq})]
            if seq >= int(answer["head"]):
                await asyncio.sleep(POLL_SECONDS)

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """One page of records; its head says which entries are in it, never fewer than the feed has shown."""
        words = {"limit": min(limit, self._feed.page_rows)} | ({} if after_key is None else {"after_key": after_key})
        answer = await self._get(self._feed.pages[dataset], **words)
        rows = tuple(answer["records"])
        return Chunk(dataset, rows, answer["next_key"], {"seq": int(answer["head"])})

    async def confirm(self, position: Position) -> None:
        """A feed keeps its entries."""

    async def head(self) -> Position:
        """The newest sequence."""
        return {"seq": int((await self._get(self._feed.path, after=0, limit=1))["head"])}

    def passed(self, position: Position, goal: Position) -> bool:
        """By sequence."""
        return bool(position["seq"] >= goal["seq"])

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _event(self, entry: dict[str, Any]) -> SourceEvent:
        """An entry of a kind that the manifest does not name says nothing to us."""
        position = {"seq": int(entry["seq"])}
        dataset = self._datasets.get(str(entry.get("kind")))
        if dataset is None:
            return Seen(position)
        operation, record, record_id = entry.get("op"), entry.get("record"), entry.get("id")
        change_id = str(entry["seq"])
        if operation == "delete" and record_id:
            return SourceChange(dataset, Operation.DELETED, None, None, change_id, position, str(record_id))
        if operation == "upsert" and isinstance(record, dict):
            return SourceChange(dataset, Operation.UPDATED, None, record, change_id, position)
        original = json.dumps(entry, ensure_ascii=False).encode()
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
            self._http = httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=TIMEOUT_SECONDS)
        try:
            answer = await self._http.get(path, params={name: str(value) for name, value in words.items()})
        except httpx.TransportError as error:
            raise SourceUnreachable(connector=self._connector, reason=type(error).__name__) from error
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            await asyncio.sleep(_retry_after(answer))
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise SourceUnreachable(connector=self._connector, reason=f"HTTP {answer.status_code}")
        if not answer.is_success:
            mend = "Check url and token in the connector's settings."
            raise SourceUnfit(connector=self._connector, reason=f"HTTP {answer.status_code} for {path}", mend=mend)
        try:
            found = answer.json()
            return {"head": found["head"], **found}
        except (ValueError, KeyError, TypeError) as error:
            mend = "The service must answer as bus/connect/README.md says."
            raise SourceUnfit(connector=self._connector, reason=f"{path} is no feed", mend=mend) from error


def _retry_after(answer: httpx.Response) -> float:
    """Seconds; a date, or nonsense, counts as one second."""
    try:
        return min(max(float(answer.headers.get("retry-after", "1")), 0.0), LONGEST_RETRY_AFTER_SECONDS)
    except ValueError:
        return 1.0
