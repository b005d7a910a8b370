"""Where a connector stands: its record in `positions.<connector>`, committed with the changes that it speaks of."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bus.connect.drift import Difference, Drift, Strange
from bus.connect.manifest import DriftMode
from bus.connect.source import Position
from bus.model.key import RecordKey

UNFIT_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a snapshot has come. `waiting` begins with the current dataset; `sweeping` awaits its tombstones.

    `unfit` names records that it met in rows that do not fit, up to UNFIT_KEPT and one: they are not gone.
    """

    waiting: tuple[str, ...]
    after_key: Any = None
    chunks: int = 0
    sweeping: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()

    def within(self, datasets: tuple[str, ...]) -> "Cursor | None":
        """Without the datasets that are not among these; None where nothing is left to do."""
        waiting, sweeping = (
            tuple(one for one in listed if one in datasets) for listed in (self.waiting, self.sweeping)
        )
        after_key = self.after_key if waiting[:1] == self.waiting[:1] else None
        left = replace(self, waiting=waiting, after_key=after_key, sweeping=sweeping)
        return left if waiting or sweeping else None

    def with_unfit(self, dataset: str | None, key: RecordKey | None) -> "Cursor":
        """After a row that does not fit, whose record is swept where nothing else is said."""
        if dataset not in self.sweeping or key is None or len(self.unfit) > UNFIT_KEPT:
            return self
        return replace(self, unfit=(*self.unfit, _named(dataset, key)))

    def gone(self, dataset: str, older: list[RecordKey]) -> list[RecordKey] | None:
        """Which records of an older epoch are gone; None where nobody can tell, for too many rows did not fit."""
        met = frozenset(self.unfit)
        return None if len(self.unfit) > UNFIT_KEPT else [key for key in older if _named(dataset, key) not in met]


def _named(dataset: str, key: RecordKey) -> str:
    return f"{dataset} {key.encode().decode()}"


class OrderState(StrEnum):
    """What became of an order."""

    UNDER_WAY = "under-way"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An order and what became of it; `reason` says why it was refused."""

    order_id: str
    kind: str
    state: OrderState
    reason: str = ""


ORDERS_KEPT = 8
NO_DRIFT = Drift()


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole memory of a connector. `stream` None: it has never read its source.

    `obeyed` is the offset of the next order in `commands`; `orders` are the last ones, oldest first. `drift`: how its
    source differs from what it was. `datasets`: those that it reads whole by itself, as its manifest had them last.
    """

    connector: str
    epoch: int = 0
    stream: Position | None = None
    snapshot: Cursor | None = None
    swept: int = 0
    published: int = 0
    dead: int = 0
    refused: int = 0
    paused: bool = False
    obeyed: int | None = None
    orders: tuple[Outcome, ...] = ()
    drift: Drift = NO_DRIFT
    datasets: tuple[str, ...] = ()

    def begun(self, position: Position, datasets: tuple[str, ...], part: Any) -> "Standing":
        """In a new epoch, which begins at a position; with datasets, with a snapshot of them. See `Flow.begin`."""
        running = self.snapshot
        whole = (*datasets, *((*running.waiting, *running.sweeping) if running else ()))
        unique = tuple(dict.fromkeys(whole))
        whole_read = part is None or running is not None
        sweeping = unique if self.epoch > 0 and whole_read else ()
        cursor = Cursor(unique, None if whole_read else part, sweeping=sweeping) if unique else None
        return replace(self, epoch=self.epoch + 1, stream=position, snapshot=cursor)

    def with_order(self, outcome: Outcome, offset: int) -> "Standing":
        """After an order was taken that lay at `offset`."""
        return replace(self, obeyed=offset + 1, orders=(*self.orders, outcome)[-ORDERS_KEPT:])

    def settled(self) -> "Standing":
        """With the orders done whose snapshot is over."""
        if self.snapshot is not None or all(one.state is not OrderState.UNDER_WAY for one in self.orders):
            return self
        done = (
            replace(one, state=OrderState.DONE) if one.state is OrderState.UNDER_WAY else one for one in self.orders
        )
        return replace(self, orders=tuple(done))


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
            "unfit": list(cursor.unfit),
        },
        "paused": standing.paused,
        "obeyed": standing.obeyed,
        "orders": [
            {"order_id": one.order_id, "kind": one.kind, "state": one.state.value, "reason": one.reason}
            for one in standing.orders
        ],
        "datasets": list(standing.datasets),
        "shapes": standing.drift.shapes,
        "strange": [
            {name: getattr(one, name) for name in ("dataset", "column", "kind", "rows")}
            | {"difference": one.difference.value, "mode": one.mode.value}
            for one in standing.drift.found
        ],
        "frozen": standing.drift.frozen,
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
        and Cursor(
            tuple(cursor["waiting"]),
            _value(cursor["after_key"]),
            cursor["chunks"],
            tuple(cursor["sweeping"]),
            tuple(cursor.get("unfit", ())),
        ),
        swept=message["swept"],
        published=message["published"],
        dead=message["dead"],
        refused=message["refused"],
        paused=message.get("paused", False),  # an older record knows nothing of orders
        obeyed=message.get("obeyed"),
        orders=tuple(
            Outcome(one["order_id"], one["kind"], OrderState(one["state"]), one["reason"])
            for one in message.get("orders", ())
        ),
        drift=Drift(
            message.get("shapes", NO_DRIFT.shapes),
            tuple(
                Strange(**one | {"difference": Difference(one["difference"]), "mode": DriftMode(one["mode"])})
                for one in message.get("strange", ())
            ),
            message.get("frozen", ""),
        ),
        datasets=tuple(message.get("datasets", ())),
    )


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
