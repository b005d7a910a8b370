"""What others wrote, on the screen of who decides by it."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bus.agreements.finding import words_of
from bus.cli import agency, deadletter, lanes, showing
from bus.cli.deadletter import table
from bus.cli.life import steps_told
from bus.cli.register import register
from bus.cli.speaking import on_one_line
from bus.clock import iso
from bus.connect.tail import Published
from bus.deliver.tail import Seen
from bus.model.fact import Fact, FactKind
from bus.model.record import Incoming
from bus.register.life import Action
from bus.watch.lanes import lane_view
from bus.watch.letters import Letter, letter_of
from tests.unit.register.book import NOW, TAX, peopled
from tests.unit.watch.test_counting import ENDS, HELD, report

ORDERS = "x\n[red]y\x1b[2J\x1b]0;z\x07\u202e"
"""What a terminal, or who draws on it, would obey."""

AS_TEXT = r"x\n[red]y\x1b[2J\x1b]0;z\x07\u202e"


def test_nobody_draws_a_line_that_is_none() -> None:
    """A refused fact whose reason holds a new line, or wipes its own out, takes one line and says why it is refused."""
    book = peopled().life()
    lie = "x\n2026-01-01T00:00:00Z  ended  tax.boss: it is over\x1b[2K\r"
    book.tell(Fact(FactKind.AGREEMENT, TAX.id, Action.ENDED, {}, "nobody", lie, NOW))
    words = words_of("en")
    *counted, forged = steps_told(book.counted, book.state.refused, TAX.id, words)
    assert len(counted) == 5
    assert r"nobody: x\n2026-01-01T00:00:00Z  ended  tax.boss: it is over\x1b[2K\r" in forged
    assert forged.endswith(f"✗ {words['refusals']['unsigned']}")
    assert not any("\n" in line or "\x1b" in line for line in (*counted, forged))


def drawn(capsys: pytest.CaptureFixture[str], *what: object) -> str:
    Console(width=1000, highlight=False).print(*what)
    return capsys.readouterr().out


def test_a_record_is_no_order_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What a registry's record holds is shown as it is written: to the agency that got it, and to its integrator."""
    seen = Seen("a", "t", 0, 0, ORDERS, ORDERS, {"street": ORDERS}, None, None, {})
    erased = Seen("a", "t", 0, 0, None, ORDERS, None, ORDERS, "it was withdrawn", {})
    agency_sees = drawn(capsys, agency._line(seen), agency._line(erased))
    assert agency_sees.count(AS_TEXT) == 5
    showing._line(Published("land.right", 0, 0, None, ORDERS, ORDERS, {"street": ORDERS}))
    connector_sees = capsys.readouterr().out
    assert connector_sees.count(AS_TEXT) == 3
    assert "\x1b" not in agency_sees + connector_sees
    assert len((agency_sees + connector_sees).splitlines()) == 2


def test_a_letter_or_a_report_is_no_order_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may write dead letters, or the state of processes, cannot draw on an operator's screen."""
    closed = {"outcome": "discarded", "by": ORDERS, "reason": "", "at": NOW, "command_id": ""}
    letters = drawn(capsys, table([Letter("", 0, 1, NOW, ORDERS, ORDERS, 1, closed)]))
    assert letters.count(AS_TEXT) == 3
    forged = report(at=1_000_000, held_back=[HELD | {"topic": ORDERS}])
    held = drawn(capsys, lanes.shown([lane_view(0, forged, ENDS, ORDERS, 1_000_000)]))
    assert held.count(AS_TEXT) == 2
    assert "\x1b" not in letters + held


def test_a_letter_whose_headers_have_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka takes a header without a value: such a letter is listed and shown like every other."""
    record = Incoming(
        "deadletters", 0, 1, NOW, b"k", b"v", (("dead-reason", None), ("x", b"\xff"), ("dead-origin", None))
    )
    one = letter_of(record, {})
    assert (one.reason, one.origin) == ("", "")

    async def found(_name: str) -> tuple[Letter, Incoming]:
        return one, record

    monkeypatch.setattr(deadletter, "_letter", found)
    said = CliRunner().invoke(deadletter.show, ["0:1"])
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-3:] == [
        f"headers    {told}" for told in ("dead-reason", "x: \ufffd", "dead-origin")
    ]


def test_facts_are_shown_with_the_zone_of_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fact's time says that it is in UTC, and a kind that there is not is told: nothing would be shown of it."""

    async def facts() -> list[tuple[int, Fact]]:
        return [(0, Fact(FactKind.AGREEMENT, TAX.id, Action.ENDED, {}, "nobody", "a test", NOW))]

    monkeypatch.setattr("bus.cli.register._facts", facts)
    shown = CliRunner().invoke(register, ["show", "--kind", "agreement"]).output
    assert f"{iso(NOW)[:19]}Z" in shown
    assert CliRunner().invoke(register, ["show", "--kind", "agreements"]).exit_code == 2


def test_words_of_any_language_stay() -> None:
    """What people write is shown as it is written."""
    said = "Quản lý thuế đối với cá nhân – “living” …"
    assert on_one_line(said) == said


def test_an_answer_for_which_the_disk_has_no_room() -> None:
    """Where an answer is led into a file on a full disk, that is told in two lines, and is no success."""
    with Path("/dev/full").open("w") as full:
        said = subprocess.run([sys.executable, "-m", "bus", "--help"], stdout=full, stderr=subprocess.PIPE, text=True)  # noqa: PLW1510 - it must fail
    assert said.returncode != 0
    first, second = said.stderr.splitlines()
    assert first.endswith("cannot be used (No space left on device)")
    assert second.startswith("remedy: ")
