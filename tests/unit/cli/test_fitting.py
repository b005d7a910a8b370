"""Tables on screens of any width."""

from io import StringIO

import pytest
from rich.console import Console, RenderableType
from rich.table import Table

from bus.cli import deadletter, flows
from bus.cli.fitting import Fitting
from bus.watch.flows import Flow
from bus.watch.letter_orders import piles
from bus.watch.letters import Letter


def drawn(what: RenderableType, width: int) -> list[str]:
    screen = StringIO()
    Console(file=screen, width=width).print(what)
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 40, 80, 120])
def test_a_screen_of_any_width_tells_what_flows(width: int) -> None:
    """Which agreement it is, to whom, and every figure are told whole: at 40 columns only cut figures were left."""
    flow = Flow("person-address-to-bank", "commercial-bank", "active", released=1_234_567, erased=89)
    flow.withheld.update({"consent-missing": 76_543})
    lines = drawn(flows.shown([flow], 0), width)
    told = "".join("".join(lines).split())
    assert max(map(len, lines)) <= width
    for word in ("person-address-to-bank", "commercial-bank", "1,234,567", "89", "76,543", "consent-missing"):
        assert word in told
    assert "…" not in told
    assert "messages" in told


@pytest.mark.parametrize("width", [40, 80])
def test_a_screen_of_any_width_tells_of_letters(width: int) -> None:
    """Where a letter lies and came from, and how many there are of a kind, is told whole and in few lines."""
    letter = Letter("", 3, 4711, 0, "SchemaUnknown", "changes.population.person/3/815", 9, None, "population.person")
    lines = drawn(Fitting(deadletter.table([letter])), width)
    assert "3:4711" in "".join(lines)
    for part in ("changes.population", ".person/3/815"):
        assert part in "".join(lines)
    assert len(lines) < 7
    lines = drawn(Fitting(deadletter.pile_table(piles([letter] * 4321))), width)
    assert "4,321" in "".join(lines)
    assert "population.person" in "".join(lines)
    assert len(lines) < 7


def test_the_first_table_that_has_room() -> None:
    """A table is taken where its cells have room, or as much as it says that they need; a markup is no text."""
    wide, narrow = Table("name", "what it is", box=None), Table("n", "w", box=None)
    wide.add_row("[red]bus[/]", "it takes from here and gives there")
    narrow.add_row("[red]bus[/]", "short")
    assert "name" in drawn(Fitting(wide, narrow), 60)[0]
    assert "short" in drawn(Fitting(wide, narrow), 20)[1]
    assert drawn(Fitting(wide, narrow), 10)[0].rstrip() == "name bus"
    wide.columns[1].min_width = 10
    assert len(drawn(Fitting(wide), 30)) > 2
