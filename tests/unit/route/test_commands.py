"""Orders about dead letters, and flows that an operator holds up, in the pure core of a lane."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from bus.kafka.log import Place
from bus.model.change import Change
from bus.model.command import CommandKind, Ending
from bus.model.key import lane_of
from bus.model.reasons import Reason
from bus.model.record import Incoming
from bus.register.state import AgreementEntry, Standing
from bus.route.batch import Inputs, Outcome
from bus.route.commands import CUT_FROM, Command, ending
from bus.route.lane import LaneCore
from bus.route.orders import Orders
from bus.route.rules import Rules
from bus.route.state import DeadVersion
from bus.route.store.memory import MemoryState
from bus.topics import Topics
from tests.unit.register.book import founded, route
from tests.unit.route.lanes import KEYRING, PERSON, Nutshell, give, rule, rules, value, values, withdraw
from tests.unit.route.model.running import messages

RELEASE, DISCARD = CommandKind.RELEASE, CommandKind.DISCARD
POISON = b"\0\0\0\0\x09x"


def command(change: Change | None, kind: CommandKind = RELEASE, **changes: object) -> Command:
    return replace(Command("c1", kind, 0, "an operator", "a test", 0, change), **changes)  # type: ignore[arg-type]  # any field


def obey(lane: Nutshell, now: Rules, *commands: Command, changes: tuple[Change, ...] = ()) -> Outcome:
    """One transaction with orders in it, committed."""
    inputs = Inputs(commands=commands, commands_offset=7, changes=changes, input_offsets=dict(lane.offsets))
    outcome = lane.core.draft(lane.state, now, inputs, lane.now)
    lane.state.apply(outcome.draft)
    for delivery in outcome.deliveries:
        lane.deliver(delivery)
    return outcome


def endings(outcome: Outcome) -> list[Ending]:
    return [one.ending for one in outcome.completions]


def buried(lane: Nutshell, now: Rules, subject: str = "p1") -> Change:
    """A record that cannot be read; returns it as it will be once it can."""
    poison = lane.change(subject, POISON)
    lane.step(now, poison)
    return poison._replace(value=value("An"))


def test_a_released_letter_is_judged_once() -> None:
    """A letter that has become readable is judged as any change, and a second order changes nothing."""
    lane, now = Nutshell(), rules(rule())
    change = buried(lane, now)
    assert lane.held() == {}
    assert endings(obey(lane, now, command(change))) == [Ending.RELEASED]
    assert lane.held() == {"p1/1": "An"}
    outcome = obey(lane, now, command(change, command_id="c2"))
    assert (endings(outcome), outcome.deliveries) == ([Ending.SUPERSEDED], [])
    assert lane.state.position.commands_offset == 7


def test_a_released_letter_meets_the_rules_of_that_time() -> None:
    """What was to flow when it was written does not when its consent is gone by the time of the release."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, consents=[give()])
    change = buried(lane, now)
    lane.step(now, consents=[withdraw()])
    outcome = obey(lane, now, command(change))
    assert endings(outcome) == [Ending.RELEASED]
    assert outcome.withheld == {("a", Reason.CONSENT_WITHDRAWN): 1}
    assert lane.held() == {}


@pytest.mark.parametrize("newer", [value("Bình"), None], ids=["changed", "deleted"])
@pytest.mark.parametrize("together", [True, False], ids=["in one transaction", "later"])
def test_a_newer_version_wins(newer: bytes | None, *, together: bool) -> None:
    """A letter is closed as superseded when its record was changed or deleted since, in the same transaction too."""
    lane, now = Nutshell(), rules(rule())
    change = buried(lane, now)
    later = lane.change("p1", newer)
    if not together:
        lane.step(now, later)
    outcome = obey(lane, now, command(change), changes=(later,) if together else ())
    assert endings(outcome) == [Ending.SUPERSEDED]
    assert lane.held() == ({} if newer is None else {"p1/1": "Bình"})


def test_a_newer_letter_wins() -> None:
    """When a newer version of the record is a dead letter too, only that one can be released."""
    lane, now = Nutshell(), rules(rule())
    older = buried(lane, now)
    newer = buried(lane, now)
    assert endings(obey(lane, now, command(older), command(newer))) == [Ending.SUPERSEDED, Ending.RELEASED]
    assert len(lane.log) == 1


@pytest.mark.parametrize("still", [POISON, b"no frame"], ids=["a schema that nobody knows", "no frame"])
def test_a_letter_that_cannot_be_read_stays_open(still: bytes) -> None:
    """Releasing what is still unreadable does nothing, and it can be released later."""
    lane, now = Nutshell(), rules(rule())
    change = buried(lane, now)
    assert endings(obey(lane, now, command(change._replace(value=still)))) == [Ending.STILL_UNREADABLE]
    assert endings(obey(lane, now, command(change))) == [Ending.RELEASED]


def test_a_discarded_letter_stays_out() -> None:
    """A discarded letter cannot be released any more; a newer version of its record flows as ever."""
    lane, now = Nutshell(), rules(rule())
    change = buried(lane, now)
    assert endings(obey(lane, now, command(change, DISCARD))) == [Ending.DISCARDED]
    assert endings(obey(lane, now, command(change))) == [Ending.CLOSED_BEFORE]
    lane.step(now, lane.change("p1", value("Bình")))
    assert lane.held() == {"p1/1": "Bình"}
    assert lane.state.dead == {}


def test_a_letter_that_names_no_record() -> None:
    """What a connector set aside can be discarded and never released."""
    assert ending(command(None), None) is Ending.NO_CHANGE
    assert ending(command(None, DISCARD), None) is Ending.DISCARDED


def test_what_the_shell_found_stands() -> None:
    """A letter that is not there, or that the broker refuses, is not judged."""
    lane, now = Nutshell(), rules(rule())
    change = buried(lane, now)
    outcome = obey(lane, now, command(change, trouble=Ending.REFUSED), command(None, trouble=Ending.NOT_FOUND))
    assert endings(outcome) == [Ending.REFUSED, Ending.NOT_FOUND]
    assert lane.state.dead == {(PERSON, b"p1/1"): DeadVersion(change.origin.offset)}


def test_orders_wait_for_consents() -> None:
    """While consent events wait that did not fit, no order is obeyed."""
    lane, now = Nutshell(), rules(rule())
    change = buried(lane, now)
    core = LaneCore(0, KEYRING, values)
    inputs = Inputs(commands=[command(change)], later_consents=())
    assert core.draft(lane.state, now, inputs, lane.now).completions == []


def test_an_order_alone_is_worth_a_transaction() -> None:
    """An order that changes nothing must still be passed, or it would be met for ever."""
    lane = Nutshell()
    before = MemoryState().position
    assert obey(lane, rules(), command(None)).worth_writing(before)


def test_a_paused_flow() -> None:
    """A paused flow releases nothing; deletions and withdrawals erase all the same; resumed, it catches up."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    paused = rules(rule(needs_consent=True, standing=Standing.PAUSED), offset=2)
    lane.step(now, *(lane.change(one, value("An")) for one in ("p1", "p2", "p3")), consents=[give("p1"), give("p2")])
    lane.step(now, consents=[give("p3")])
    outcome = lane.step(paused, lane.change("p1", value("Bình")))
    assert outcome.withheld[("a", Reason.ROUTE_PAUSED)] > 0
    lane.step(paused, lane.change("p2", None), consents=[withdraw("p3")])
    assert lane.held() == {"p1/1": "An"}
    lane.step(rules(rule(needs_consent=True), offset=3))
    assert lane.held() == {"p1/1": "Bình"}


def test_a_backfill_judges_everything_again_and_sends_what_is_missing() -> None:
    """A fact that asks for it makes every record be judged again; an unchanged view is not sent."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")), lane.change("p2", value("Bình")))
    lane.state.put_held(PERSON, b"p2/1", {})
    lane.topics.clear()
    again = rules(replace(rule(), backfill=9), offset=10)
    assert lane.core.behind(lane.state, again, lane.now) == ["a"]
    outcome = lane.step(again)
    assert [one.key for one in outcome.deliveries] == [b"p2/1"]
    assert lane.core.behind(lane.state, again, lane.now) == []


def entry(standing: Standing = Standing.ACTIVE) -> AgreementEntry:
    document = {"dataset": PERSON, "recipient": "bank"}
    return AgreementEntry("a", 1, "r1", document, "topic", 1, standing, frozenset({"r1"}), "CONSENT", 0)


@pytest.mark.parametrize("name", ["a", PERSON])
def test_pauses_in_the_register(name: str) -> None:
    """A pause holds an agreement by its own name or by its dataset's, until it is resumed by the same."""
    book = founded().sign(route(name, "paused"))
    assert book.state.standing_of(entry()) is Standing.PAUSED
    assert book.state.standing_of(entry(Standing.ENDED)) is Standing.ENDED
    assert book.sign(route("other", "resumed")).state.standing_of(entry()) is Standing.PAUSED
    assert book.sign(route(name, "resumed")).state.standing_of(entry()) is Standing.ACTIVE


def test_other_route_facts() -> None:
    """The newest backfill counts; an unreadable fact holds up what it names; an unknown step is broken."""
    book = founded().sign(route("a", "backfill-asked"), route("a", "backfill-asked"))
    assert book.state.backfills == {"a": book.state.offset - 1}
    assert book.state.apply_unreadable(b"route/a", 7).standing_of(entry()) is Standing.PAUSED
    with pytest.raises(ValueError, match="cannot be"):
        book.sign(route("a", "doubled"))


@pytest.mark.parametrize(
    "origin",
    [None, "", "/", "changes.a.b/0/1", *(f"changes.{PERSON}/0/{offset}" for offset in ("²", "9" * 5000, "-1"))],
)
def test_a_letter_with_a_forged_origin(origin: str | None) -> None:
    """A letter whose origin no router wrote names no record, nor one that is cut: no order may release it, or stop."""
    orders = Orders(cast("Any", None), Topics("", 8), cast("Any", None))
    assert orders._change(letter(origin), {PERSON: True}) is None
    true = letter(f"changes.{PERSON}/0/7")
    change = orders._change(true, {PERSON: True})
    assert change is not None
    assert change.origin.offset == 7
    assert orders._change(true._replace(partition=true.partition ^ 1), {PERSON: True}) is None
    assert orders._change(true._replace(headers=(*true.headers, (CUT_FROM, b"9"))), {PERSON: True}) is None


@pytest.mark.parametrize("told", ["command_id", "by", "reason", "connector"])
def test_an_order_that_is_too_long_is_none(told: str) -> None:
    """An order of which nobody could be told what became of it is passed over: it would stop its lane for a week."""
    words: dict[str, object] = {"command_id": "c", "kind": RELEASE.value, "by": "b", "reason": "r", "connector": ""}
    words |= dict.fromkeys(("lane", "offset", "at"), 0)
    value = messages().encode("command", words | {told: "x" * 1_000_000})
    orders = Orders(cast("Any", None), Topics("", 8), messages())
    assert asyncio.run(orders.commands([Incoming("commands", 0, 0, 0, b"lane/c", value)], {})) == [None]


def letter(origin: str | None) -> Incoming:
    told = None if origin is None else origin.encode()
    return Incoming("deadletters", lane_of("p", 8), 5, 0, b"p/1", POISON, (("dead-origin", told),))


def test_orders_taken_together_look_their_letters_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round asks the broker once for all letters: a connection each kept a lane, and its withdrawals, for seconds."""
    asked: list[object] = []

    async def found(_access: object, place: Place, offsets: set[int]) -> dict[int, Incoming]:
        asked.append((place, offsets))
        return {7: letter(f"changes.{PERSON}/0/7")}

    monkeypatch.setattr("bus.route.orders.records_at", found)
    words: dict[str, object] = {"kind": RELEASE.value, "lane": 3, "at": 0, "by": "b", "reason": "r"}
    given = [
        Incoming("commands", 3, number, 0, b"lane/c", messages().encode("command", words | told))
        for number, told in enumerate(
            {"command_id": f"c{offset}-{connector}", "offset": offset, "connector": connector}
            for offset, connector in ((7, ""), (8, ""), (9, "shop"))
        )
    ]
    orders = Orders(cast("Any", None), Topics("", 8), messages())
    there, missing, of_connector = asyncio.run(orders.commands(given, {PERSON: True}))
    assert asked == [(Place("deadletters", 3), {7, 8})]
    assert there is not None
    assert there.change is not None
    assert missing is not None
    assert missing.trouble is Ending.NOT_FOUND
    assert of_connector is not None
    assert (of_connector.change, of_connector.trouble) == (None, None)
