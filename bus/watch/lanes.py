"""`bus lanes`: where each lane stands, how far behind it is, and who serves it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus import clock
from bus.avro.own import Message
from bus.kafka.admin import Admin
from bus.kafka.log import Place
from bus.kafka.rights import router_group
from bus.model.waits import MEND_HELD_BACK, MEND_WAIT, Wait
from bus.watch.reach import Look
from bus.watch.status import Status

SILENT_SECONDS = 30.0
"""A lane of which nothing was heard for so long is called silent: three times the heartbeat of its reports."""


class LaneHealth(StrEnum):
    """How a lane fares."""

    SERVING = "serving"
    CATCHING_UP = "catching-up"
    STARTING = "starting"
    AWAITING_BROKER = "awaiting-broker"
    HELD_BACK = "held-back"
    SILENT = "silent"
    STOPPED = "stopped"
    UNSERVED = "unserved"


@dataclass(frozen=True, slots=True)
class LaneView:
    """One lane. `report` is its newest, None when nobody ever served it; `owner` is the member that the group names.

    `lag` are records that wait, by input: each dataset, `consents`, `register`. `lag_seconds` is the age of what waits:
    None when nothing does.
    """

    lane: int
    health: LaneHealth
    owner: str | None
    report: Message | None
    heard_seconds: float | None
    lag: Mapping[str, int]
    lag_seconds: float | None

    @property
    def lag_records(self) -> int:
        """Over all inputs."""
        return sum(self.lag.values())

    @property
    def awaiting_broker(self) -> dict[str, str] | None:
        """What the broker keeps it waiting for: `since`, `step`, `reason`, `remedy`; None when it does not."""
        report = self.report or {}
        if self.health is not LaneHealth.AWAITING_BROKER:
            return None
        step = report["waiting_for"]
        reason = next((wait.meaning for wait in Wait if wait.value == step), "it does not say at which step")
        return {"since": clock.iso(report["waiting_since"]), "step": step, "reason": reason, "remedy": MEND_WAIT}

    @property
    def held_back(self) -> list[dict[str, Any]]:
        """Where somebody's transaction keeps it from reading on, what lies there unread, and the `remedy`."""
        report = self.report or {}
        if self.health is not LaneHealth.HELD_BACK:
            return []
        return [
            {
                **one,
                "since": clock.iso(one["since"]),
                "unread": one["end_offset"] - one["stable_offset"],
                "remedy": MEND_HELD_BACK,
            }
            for one in report["held_back"]
        ]

    def as_json(self) -> dict[str, Any]:
        """For machines; see the README of this folder."""
        report = self.report or {}
        told = {name: report.get(name) for name in _TOLD}
        return {
            "lane": self.lane,
            "health": self.health.value,
            "owner": self.owner,
            "heard_seconds": self.heard_seconds,
            "lag": dict(self.lag),
            "lag_records": self.lag_records,
            "lag_seconds": self.lag_seconds,
            **told,
            "withheld_judgements": report.get("withheld"),
            "awaiting_broker": self.awaiting_broker,
            "held_back": self.held_back,
            "lane_time": clock.iso(report["lane_time"]) if report else None,
            "started_at": clock.iso(report["started_at"]) if report else None,
        }


_TOLD = (
    "instance",
    "block",
    "consents_offset",
    "register_offset",
    "commands_offset",
    "inputs",
    "catching_up",
    "transaction_ms",
    "transaction_p50_ms",
    "transaction_p99_ms",
    "latency_ms",
    "transactions",
    "released",
    "erased",
    "dead_letters",
    "restarts",
    "fences",
    "loop_max_ms",
    "read_back",
)


async def survey_lanes(look: Look, status: Status) -> list[LaneView]:
    """Every lane as it stands now."""
    await status.newest()
    state = await look.register.newest()
    owners = await Admin(look.access).owners(router_group(look.topics), look.topics.consents)
    ends = await look.asker.ends(_places(look, state.datasets))
    now_ms = clock.now_ms()
    return [
        lane_view(lane, status.reports.get(lane), _ends_of(look, lane, state.datasets, ends), owners.get(lane), now_ms)
        for lane in range(look.topics.lanes)
    ]


def lane_view(lane: int, report: Message | None, ends: Mapping[str, int], owner: str | None, now_ms: int) -> LaneView:
    """One lane from its report and the ends of its inputs (`consents`, `register` and datasets)."""
    if report is None:
        return LaneView(lane, LaneHealth.UNSERVED, owner, None, None, dict(ends), None)
    reached = {
        **report["inputs"],
        "consents": report["consents_offset"],
        "register": report["register_offset"],
    }
    lag = {name: max(0, end - reached.get(name, 0)) for name, end in ends.items()}
    heard = max(0.0, (now_ms - report["at"]) / 1000)
    waiting_since = report["oldest_waiting"] or report["at"]  # not yet told: it has come since the report
    lag_seconds = max(0.0, (now_ms - waiting_since) / 1000) if any(lag.values()) else None
    return LaneView(lane, _health(report, owner, heard), owner, report, heard, lag, lag_seconds)


def _health(report: Message, owner: str | None, heard_seconds: float) -> LaneHealth:
    if report["stopped"]:
        return LaneHealth.STOPPED
    if owner is None:
        return LaneHealth.UNSERVED
    if heard_seconds > SILENT_SECONDS:
        return LaneHealth.SILENT
    if report.get("waiting_since") is not None:
        return LaneHealth.AWAITING_BROKER
    if report.get("read_back") is not None:
        return LaneHealth.STARTING
    free = LaneHealth.CATCHING_UP if report["catching_up"] else LaneHealth.SERVING
    return LaneHealth.HELD_BACK if report.get("held_back") else free


def _places(look: Look, datasets: Iterable[str]) -> list[Place]:
    lanes = range(look.topics.lanes)
    changes = [Place(look.topics.changes(dataset), lane) for dataset in datasets for lane in lanes]
    return [*changes, *(Place(look.topics.consents, lane) for lane in lanes), Place(look.topics.register, 0)]


def _ends_of(look: Look, lane: int, datasets: Iterable[str], ends: Mapping[Place, int]) -> dict[str, int]:
    of_lane = {dataset: ends[Place(look.topics.changes(dataset), lane)] for dataset in datasets}
    return {
        **of_lane,
        "consents": ends[Place(look.topics.consents, lane)],
        "register": ends[Place(look.topics.register, 0)],
    }
