"""Orders about many dead letters: which are meant, what is asked first, and how many are under way."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bus import clock
from bus.cli import deadletter
from bus.model.command import Ending
from bus.model.record import Incoming
from bus.watch.letter_orders import AT_ONCE, Choice, Order, _Course, piles
from bus.watch.letters import Letter, letter_of

AT = clock.parse_iso("2026-03-01T08:00:00Z")
MANY = 120


def letter(offset: int, reason: str = "SchemaUnknown", *, connector: str = "", lane: int = 0) -> Letter:
    """A letter of the land registry, a second after the one before it; every third is closed."""
    closed = {"outcome": "discarded", "by": "me"} if offset % 3 == 2 else None
    return Letter(connector, lane, offset, AT + offset * 1000, reason, "", 1, closed, "land.right")


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the letters about which an order was given."""
    there = [letter(offset) for offset in range(MANY)]
    there += [letter(3, "no such street", connector="land"), letter(4, "SchemaUnknown", connector="land")]
    given: list[str] = []

    async def letters() -> list[Letter]:
        return there

    async def obey(found: Sequence[Letter], _order: Order) -> dict[str, Any]:
        given.extend(one.name for one in found)
        return {one.name: {"outcome": (Ending.REFUSED if one.offset == 4 else Ending.RELEASED).value} for one in found}

    monkeypatch.setattr(deadletter, "_letters", letters)
    monkeypatch.setattr(deadletter, "_ordered_all", obey)
    return given


def call(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(deadletter.deadletter, words, input=said)


def test_what_is_meant() -> None:
    """Everything that is given must fit, and the end of a time is not included."""
    first, second = letter(0), letter(1, "RecordUnreadable")
    assert Choice().says_nothing
    assert [Choice(why="Unread").fits(one) for one in (first, second)] == [False, True]
    assert [Choice(since_ms=AT + 1000).fits(one) for one in (first, second)] == [False, True]
    assert [Choice(until_ms=AT + 1000).fits(one) for one in (first, second)] == [True, False]
    assert [Choice(why="Schema", dataset="land").fits(one) for one in (first, second)] == [False, False]
    assert not Choice(why="Schema", dataset="land.right").says_nothing


def test_whose_letters_they_are() -> None:
    """A letter's dataset is that of the topic that its record came from, or the one that its connector names."""
    headers = (("dead-origin", b"a.changes.land.right/3/9"), ("dead-dataset", b"other"))
    assert letter_of(Incoming("a.deadletters", 3, 1, AT, b"k", b"v", headers), {}).dataset == "land.right"
    assert letter_of(Incoming("a.deadletters.land", 3, 1, AT, b"k", b"v", headers), {}, "land").dataset == "other"
    (one,) = piles([letter(1), letter(0), letter(3)])
    assert (one.letters, one.first_ms, one.last_ms) == (3, AT, AT + 3000)


def test_nothing_is_ordered_that_was_not_meant(ordered: list[str]) -> None:
    """Without a letter or a choice, with both, after a no, or to try it out, nothing is ordered."""
    order = ("release", "--reason", "a test")
    for words, code in (
        ((), 1),
        (("0:1", "--why", "Schema"), 1),
        (("--since", "yesterday"), 2),
        (("--why", "Schema"), 1),
        (("--why", "Schema", "--dry-run"), 0),
    ):
        answer = call(*order, *words, said="n\n")
        assert answer.exit_code == code or answer.exception is not None, answer.output
    assert ordered == []


def test_many_at_once(ordered: list[str]) -> None:
    """The open ones that are meant are counted, asked for, ordered in their order; connectors' are never released."""
    answer = call("release", "--reason", "a test", "--why", "Schema", "--until", "2026-03-01T08:00:05", said="y\n")
    assert "Release 4 dead letters?" in answer.stderr
    assert "1 that a connector set aside" in answer.stderr
    assert ordered == ["0:0", "0:1", "0:3", "0:4"]
    assert "3 released: " in answer.stdout
    assert "1 refused-by-broker: " in answer.stdout
    assert answer.exit_code == 1
    ordered.clear()
    answer = call("discard", "--reason", "a test", "--why", "street", "--yes", "--json")
    assert ordered == ["land/0:3"]
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {"letters": 1, "outcomes": {"released": 1}})


@pytest.mark.usefixtures("ordered")
def test_a_list_that_can_be_read() -> None:
    """Of very many letters the newest are shown, and how many more there are; machines get all, or what they ask."""
    shown = call("list")
    assert len(shown.stdout.splitlines()) == deadletter.SHOWN + 2
    assert shown.stdout.splitlines()[1].startswith(" 0:118 ")
    assert "and 32 more" in shown.stdout
    assert len(json.loads(call("list", "--json").stdout)) == 82
    assert [one["letter"] for one in json.loads(call("list", "--json", "--limit", "2").stdout)] == ["0:118", "0:117"]
    assert "more" not in call("list", "--limit", "100").stdout
    counted = json.loads(call("list", "--count", "--json", "--since", "2026-03-01").stdout)
    assert [(one["letters"], one["reason"], one["connector"]) for one in counted] == [
        (80, "SchemaUnknown", None),
        (1, "SchemaUnknown", "land"),
        (1, "no such street", "land"),
    ]


def test_no_lane_is_given_more_than_a_few() -> None:
    """A lane has so many orders at once and no more, in their order, and the next as soon as one has ended."""
    course = _Course([letter(offset, lane=offset % 2) for offset in range(60)])
    now = course.next()
    assert Counter(one.lane for one in now.values()) == {0: AT_ONCE, 1: AT_ONCE}
    assert [one.offset for one in now.values() if one.lane == 0] == list(range(0, 2 * AT_ONCE, 2))
    assert course.next() == {}
    assert course.ended({"another's": {}}) == {}
    first = next(iter(now))
    assert course.ended({first: {"lane": 0}}) == {"0:0": {"lane": 0}}
    (more,) = course.next().values()
    assert more.name == f"0:{2 * AT_ONCE}"
    assert course.lanes() == "0, 1"
