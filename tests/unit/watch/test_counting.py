"""What operators are shown, from what was read: pure counting and comparing."""

from collections import Counter
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from bus import clock
from bus.cli.deadletter import table as letters_table
from bus.cli.flows import table as flows_table
from bus.cli.lanes import shown
from bus.errors import WrongUse
from bus.model.command import Ending
from bus.model.record import Incoming
from bus.model.waits import MEND_HELD_BACK
from bus.topics import Topics
from bus.watch.flows import Flows
from bus.watch.lanes import LaneHealth, lane_view
from bus.watch.letters import Letter, closings, parse_name
from bus.watch.status import Status
from bus.watch.verify import persisting

if TYPE_CHECKING:
    from bus.kafka.log import Reader
    from bus.watch.reach import Look

NOW = 1_000_000


def report(**changes: Any) -> dict[str, Any]:
    return {
        "at": NOW - 1000,
        "inputs": {"population.person": 10},
        "consents_offset": 5,
        "register_offset": 3,
        "oldest_waiting": None,
        "catching_up": [],
        "stopped": False,
        "block": 7,
        "lane_time": NOW,
        "started_at": NOW,
        "latency_ms": None,
        "dead_letters": 0,
        **changes,
    }


HELD = {"topic": "changes.land.parcel", "partition": 2, "since": NOW - 9000, "stable_offset": 41, "end_offset": 53}

ENDS = {"population.person": 10, "consents": 5, "register": 3}


def test_a_lane_without_lag() -> None:
    """A lane that has passed every end serves and has no lag."""
    seen = lane_view(0, report(), ENDS, "route@host", NOW)
    assert (seen.health, seen.lag_records, seen.lag_seconds) == (LaneHealth.SERVING, 0, None)


def test_a_lane_that_starts_elsewhere() -> None:
    """How far it had come is what its last owner told, also when that one is heard late; who starts it is told anew."""
    status = Status(cast("Look", SimpleNamespace(topics=Topics("", 8))), cast("Reader", None))
    starting = report(block=0, inputs={}, read_back=3, at=NOW, instance="new", restarts=0, fences=0, waiting_for=None)
    starting |= {"waiting_since": None, "lane": 0}
    late = report(lane=0, stopped=True, at=NOW - 500)
    for one in (report(lane=0), starting, late, starting):
        status.take_report(one)
    seen = lane_view(0, status.reports[0], ENDS, "new@host", NOW)
    assert (seen.health, seen.lag_records, seen.heard_seconds) == (LaneHealth.STARTING, 0, 0)
    assert (seen.as_json()["read_back"], seen.as_json()["block"], seen.as_json()["instance"]) == (3, 7, "new")
    status.take_report(report(lane=0, block=8))
    assert lane_view(0, status.reports[0], ENDS, "new@host", NOW).health is LaneHealth.SERVING


def test_a_lane_with_lag() -> None:
    """Lag is counted by input, and its age is that of the oldest change known to wait."""
    seen = lane_view(0, report(oldest_waiting=NOW - 9000), ENDS | {"population.person": 14, "consents": 6}, "r", NOW)
    assert seen.lag == {"population.person": 4, "consents": 1, "register": 0}
    assert seen.lag_seconds == 9


@pytest.mark.parametrize(
    ("changes", "owner", "health"),
    [
        ({"stopped": True}, None, LaneHealth.STOPPED),
        ({}, None, LaneHealth.UNSERVED),
        ({"at": NOW - 60_000}, "r", LaneHealth.SILENT),
        ({"catching_up": ["a"]}, "r", LaneHealth.CATCHING_UP),
        ({"waiting_for": "end", "waiting_since": NOW - 9000}, "r", LaneHealth.AWAITING_BROKER),
        ({"read_back": 0}, "r", LaneHealth.STARTING),
        ({"waiting_for": None, "waiting_since": None}, "r", LaneHealth.SERVING),
        ({"held_back": [], "catching_up": []}, "r", LaneHealth.SERVING),
        ({"held_back": [HELD], "catching_up": ["a"]}, "r", LaneHealth.HELD_BACK),
        ({"held_back": [HELD], "at": NOW - 60_000}, "r", LaneHealth.SILENT),
    ],
)
def test_how_a_lane_fares(changes: dict[str, Any], owner: str | None, health: LaneHealth) -> None:
    """A lane is told from its last report, how long ago that was, and whom the group names."""
    assert lane_view(0, report(**changes), ENDS, owner, NOW).health is health


def test_a_lane_that_the_broker_keeps_waiting() -> None:
    """Who looks is told since when, why and what can be done, in the table's foot and for machines."""
    seen = lane_view(2, report(waiting_for="end", waiting_since=NOW - 9000), ENDS, "r", NOW)
    told = seen.as_json()["awaiting_broker"]
    assert (told["since"], told["step"]) == ("1970-01-01T00:16:31.000Z", "end")
    assert "the transaction is not ended" in told["reason"]
    assert "__transaction_state" in told["remedy"]
    screen = StringIO()
    Console(file=screen, width=300).print(shown([seen]))
    assert f"lane 2 waits for the broker since {told['since']}: {told['reason']}" in screen.getvalue()
    assert f"remedy: {told['remedy']}" in screen.getvalue()
    assert lane_view(2, report(), ENDS, "r", NOW).as_json()["awaiting_broker"] is None
    of_a_later_release = lane_view(2, report(waiting_for="else", waiting_since=NOW), ENDS, "r", NOW)
    assert of_a_later_release.as_json()["awaiting_broker"]["step"] == "else"


def test_a_lane_that_a_transaction_holds_back() -> None:
    """Who looks is told where, since when, how much lies there and what can be done, at the foot and for machines."""
    seen = lane_view(2, report(held_back=[HELD]), ENDS, "r", NOW)
    (told,) = seen.as_json()["held_back"]
    assert told == HELD | {"since": "1970-01-01T00:16:31.000Z", "unread": 12, "remedy": MEND_HELD_BACK}
    screen = StringIO()
    Console(file=screen, width=900).print(shown([seen]))
    assert f"cannot read on in {HELD['topic']}, partition 2: since {told['since']} or longer" in screen.getvalue()
    assert "begins at offset 41; 12 offsets are unread" in screen.getvalue()
    assert f"remedy: {MEND_HELD_BACK}" in screen.getvalue()
    of_an_earlier_release = lane_view(2, report(), ENDS, "r", NOW)
    assert of_an_earlier_release.as_json()["held_back"] == []


async def test_a_report_that_is_none() -> None:
    """Many may write into `status`: what lies there and is no report of a lane, nor of an order, is passed over."""
    said: dict[bytes, Any] = {b"1": {"lane": 0, "at": 1}, b"2": {"command_id": "x"}}

    async def decode(value: bytes) -> Any:
        return said[value]

    look = SimpleNamespace(topics=Topics("", 8), messages=SimpleNamespace(decode=decode))
    status = Status(cast("Look", look), cast("Reader", None))
    for key, value in ((b"lane/0", b"1"), (b"lane/1", b"2"), (b"command/x", b"2"), (b"command/y", b"1")):
        await status._take(Incoming("status", 0, 0, 0, key, value))
    assert not status.reports
    assert not status.completions


@pytest.mark.parametrize("width", [80, 200])
def test_a_screen_shows_which_lane_it_is(width: int) -> None:
    """On a narrow screen too each lane has its number, who serves it, and every figure under its heading, uncut."""
    figures = {"transaction_p50_ms": 1116.0, "transaction_p99_ms": 2171.0, "latency_ms": 66227, "loop_max_ms": 39898.0}
    seen = report(waiting_for="end", waiting_since=NOW, block=123_456, dead_letters=17, fences=3, **figures)
    screen = StringIO()
    Console(file=screen, width=width).print(shown([lane_view(31, seen, ENDS, "route@gateway-7", NOW)]))
    words = set(screen.getvalue().partition("lane 31 waits")[0].split())
    assert {"lane", "health", "block", "waiting", "age", "p50", "latency", "dead", "fences", "loop", "heard"} <= words
    told = {"31", "awaiting-broker", "route@gateway-7", "123,456", "1,116", "2,171", "66,227", "39,898", "17", "3"}
    assert told <= words
    assert max(map(len, screen.getvalue().splitlines())) <= width


def test_a_lane_that_nobody_ever_served() -> None:
    """Everything waits for a lane of which there is no report."""
    seen = lane_view(3, None, ENDS, None, NOW)
    assert (seen.health, seen.lag_records) == (LaneHealth.UNSERVED, 18)
    assert seen.as_json()["block"] is None


def test_dead_letters_on_a_narrow_screen() -> None:
    """Where a letter comes from is told whole, in as many lines as it needs."""
    closed = {"outcome": "discarded", "by": "somebody"}
    letter = Letter("", 5, 0, NOW, "RecordUnreadable", "changes.a-registry.a-long-dataset/5/43", 18, closed)
    screen = StringIO()
    Console(file=screen, width=80).print(letters_table([letter]))
    assert "…" not in screen.getvalue()
    assert {"5:0", f"{clock.iso(NOW)[:19]}Z", "18"} <= set(screen.getvalue().split())


def block(at: int, entries: list[tuple[str, str]], withheld: list[tuple[str, str, int]]) -> dict[str, Any]:
    return {
        "at": at,
        "entries": [{"agreement": name, "kind": kind, "recipient": "bank"} for name, kind in entries],
        "withheld": [{"agreement": name, "reason": reason, "count": count} for name, reason, count in withheld],
    }


def test_flows_are_counted_by_agreement() -> None:
    """Releases, erasures and withholdings add up; the rate forgets what is older than a minute."""
    flows = Flows()
    flows.take(block(NOW - 90_000, [("a", "RELEASE")] * 60, []), NOW - 90_000)
    flows.take(block(NOW, [("a", "RELEASE"), ("a", "ERASE"), ("b", "RELEASE")], [("b", "outside-filter", 4)]), NOW + 8)
    first, second = flows.listed()
    assert (first.released, first.erased, second.withheld) == (61, 1, Counter({"outside-filter": 4}))
    assert first.rate(NOW) == 2 / 60
    assert first.latency_ms(NOW) == (8, 8)
    assert second.as_json(NOW)["recipient"] == "bank"


def test_withholdings_are_told_as_judgements() -> None:
    """A record that is judged again counts again, and neither the screen nor the JSON lets it be read as records."""
    flows = Flows()
    flows.take(block(NOW, [], [("a", "consent-missing", 2), ("a", "consent-missing", 1)]), NOW)
    (flow,) = flows.listed()
    assert flow.as_json(NOW)["withheld_judgements"] == {"consent-missing": 3}
    assert "withheld" not in flow.as_json(NOW)
    screen = StringIO()
    Console(file=screen, width=120).print(flows_table([flow], NOW))
    assert "judgements" in screen.getvalue().splitlines()[0]
    words = " ".join(screen.getvalue().split())
    assert "Withheld: judgements, by reason; a record that is judged again counts again." in words


@pytest.mark.parametrize("entries", [[], [("a", "RELEASE")]])
def test_a_silent_flow_has_no_latency(entries: list[tuple[str, str]]) -> None:
    """Where nothing flowed in the last minute nothing is said of how quick it was, on the screen or for machines."""
    flows = Flows()
    flows.flow("a")
    flows.take(block(NOW - 90_000, entries, []), NOW - 89_993)
    screen = StringIO()
    Console(file=screen, width=120).print(flows_table(flows.listed(), NOW))
    told = flows.flow("a").as_json(NOW)
    assert (told["per_second"], told["decision_to_log_ms"], told["released"]) == (0, None, len(entries))
    assert " ms" not in screen.getvalue()


def completion(command_id: str, outcome: Ending, block_number: int) -> dict[str, Any]:
    return {"command_id": command_id, "outcome": outcome.value, "lane": 1, "offset": 4, "block": block_number}


def test_the_first_closing_order_counts() -> None:
    """An order that left the letter open does not close it, and a later one changes nothing of what became of it."""
    orders = [
        completion("late", Ending.SUPERSEDED, 9),
        completion("second", Ending.RELEASED, 5),
        completion("first", Ending.STILL_UNREADABLE, 2),
    ]
    assert closings({one["command_id"]: one for one in orders})["", 1, 4]["command_id"] == "second"


def test_the_name_of_a_letter() -> None:
    """A letter is named by lane and offset, and by the connector that set it aside, and by nothing else."""
    assert parse_name("3:17") == ("", 3, 17)
    assert parse_name("a-registry/3:17") == ("a-registry", 3, 17)
    assert (
        Letter(*parse_name("a-registry/3:17"), NOW, "unfit", "connector/a-registry", 18, None).name == "a-registry/3:17"
    )
    for wrong in ("3", "3:", ":17", "a:1", "-1:2", "/3:17", "a/b:1"):
        with pytest.raises(WrongUse):
            parse_name(wrong)


def test_a_difference_counts_when_it_persists() -> None:
    """What one look finds and the next does not was a transaction on its way."""
    before = {"not-logged": frozenset({"x", "y"}), "held-and-not-booked": frozenset({"z"})}
    now = {"not-logged": frozenset({"y", "new"}), "logged-twice": frozenset({"z"})}
    assert persisting(before, now) == {"not-logged": frozenset({"y"})}
