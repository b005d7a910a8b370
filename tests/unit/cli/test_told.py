"""What others wrote, on the screen of who decides by it."""

from bus.agreements.finding import words_of
from bus.cli.life import steps_told
from bus.cli.speaking import on_one_line
from bus.model.fact import Fact, FactKind
from bus.register.life import Action
from tests.unit.register.book import NOW, TAX, peopled


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


def test_words_of_any_language_stay() -> None:
    """What people write is shown as it is written."""
    said = "Quản lý thuế đối với cá nhân – “living” …"
    assert on_one_line(said) == said
