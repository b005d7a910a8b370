"""What others wrote, on the screen of who decides by it."""

import subprocess
import sys
from pathlib import Path

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


def test_an_answer_for_which_the_disk_has_no_room() -> None:
    """Where an answer is led into a file on a full disk, that is told in two lines, and is no success."""
    with Path("/dev/full").open("w") as full:
        said = subprocess.run([sys.executable, "-m", "bus", "--help"], stdout=full, stderr=subprocess.PIPE, text=True)  # noqa: PLW1510 - it must fail
    assert said.returncode != 0
    first, second = said.stderr.splitlines()
    assert first.endswith("cannot be used (No space left on device)")
    assert second.startswith("remedy: ")
