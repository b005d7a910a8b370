"""Where a connector stands: the value of its record in `positions`, committed with the changes that it speaks of."""

import json
from dataclasses import dataclass
from typing import Any

from bus.connect.source import Position


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a snapshot has come. `waiting` begins with the current dataset; `sweeping` awaits its tombstones."""

    waiting: tuple[str, ...]
    after_key: Any = None
    chunks: int = 0
    sweeping: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole memory of a connector. `stream` None: it has never read its source."""

    connector: str
    epoch: int = 0
    stream: Position | None = None
    snapshot: Cursor | None = None
    swept: int = 0
    published: int = 0
    dead: int = 0
    refused: int = 0


def to_message(standing: Standing, at_ms: int) -> dict[str, Any]:
    """The message `position`."""
    cursor = standing.snapshot
    return {
        "connector": standing.connector,
        "epoch": standing.epoch,
        "stream": _text(standing.stream),
        "snapshot": cursor
        and {
            "waiting": list(cursor.waiting),
            "after_key": _text(cursor.after_key),
            "chunks": cursor.chunks,
            "sweeping": list(cursor.sweeping),
        },
        "swept": standing.swept,
        "published": standing.published,
        "dead": standing.dead,
        "refused": standing.refused,
        "at": at_ms,
    }


def from_message(message: dict[str, Any]) -> Standing:
    """The inverse of `to_message`, without its time."""
    cursor = message["snapshot"]
    return Standing(
        connector=message["connector"],
        epoch=message["epoch"],
        stream=_value(message["stream"]),
        snapshot=cursor
        and Cursor(tuple(cursor["waiting"]), _value(cursor["after_key"]), cursor["chunks"], tuple(cursor["sweeping"])),
        swept=message["swept"],
        published=message["published"],
        dead=message["dead"],
        refused=message["refused"],
    )


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
