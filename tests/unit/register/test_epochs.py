"""The epochs of a recipient's pseudonyms: one after the other, and destroyed only when a later one has begun."""

from typing import Any

import pytest

from bus.model.fact import Fact, FactKind
from bus.register.epochs import Epoch
from bus.register.life import Refusal
from bus.register.steps import Wish, epoch_begun, epoch_destroyed
from tests.unit.register.book import OPERATOR, Book, founded

OFFICE = "statistics-office"


def begun(epoch: int) -> Wish:
    return epoch_begun(OFFICE, epoch, f"check-{epoch}", OPERATOR, "a test")


def destroyed(epoch: int) -> Wish:
    return epoch_destroyed(OFFICE, epoch, OPERATOR, "a test")


def refused(book: Book, action: str, body: dict[str, Any]) -> Refusal | None:
    """What the fold says of a fact that the operator signs, whatever it says."""
    step = book.state.told.get(f"pseudonyms/{OFFICE}", 0) + 1
    fact = Fact(FactKind.PSEUDONYMS, OFFICE, action, {**body, "step": step}, "", "a test", 0)
    return book.refused(OPERATOR.sign(fact, book.state.bus))


def test_epochs_follow_one_another() -> None:
    """Each epoch is the one after the last; with each the check of its salt is known, and where it began."""
    book = founded().sign(begun(1), begun(2))
    offset = book.state.offset
    epoch = book.sign(begun(3)).state.epochs[OFFICE]
    assert epoch == Epoch(3, "check-3", offset)


@pytest.mark.parametrize(
    ("action", "body", "refusal"),
    [
        ("begun", {"epoch": 2, "check": "again"}, Refusal.NOT_NEXT),
        ("begun", {"epoch": 4, "check": "left one out"}, Refusal.NOT_NEXT),
        ("begun", {"epoch": 1, "check": "went back"}, Refusal.NOT_NEXT),
        ("destroyed", {"epoch": 2}, Refusal.NOT_NEXT),
        ("destroyed", {"epoch": 3}, Refusal.NOT_NEXT),
        ("destroyed", {"epoch": 0}, Refusal.NOT_NEXT),
        ("renamed", {"epoch": 3}, Refusal.UNKNOWN_ACTION),
    ],
)
def test_what_does_not_follow(action: str, body: dict[str, Any], refusal: Refusal) -> None:
    """An epoch that is not next, and the destruction of one that counts or never was, change nothing."""
    book = founded().sign(begun(1), begun(2))
    assert refused(book, action, body) is refusal
    assert book.state.epochs[OFFICE].number == 2


def test_a_destroyed_epoch_stays_so() -> None:
    """What was destroyed is told for ever, and is not destroyed twice."""
    book = founded().sign(begun(1), begun(2), destroyed(1), begun(3))
    assert book.state.epochs[OFFICE].destroyed == {1}
    assert refused(book, "destroyed", {"epoch": 1}) is Refusal.NOT_NEXT
    assert book.sign(destroyed(2)).state.epochs[OFFICE].destroyed == {1, 2}


def test_recipients_have_epochs_of_their_own() -> None:
    """Renewing the pseudonyms of one recipient leaves those of another alone."""
    other = epoch_begun("tax-authority", 1, "check", OPERATOR, "a test")
    book = founded().sign(begun(1), other, begun(2))
    assert {name: epoch.number for name, epoch in book.state.epochs.items()} == {OFFICE: 2, "tax-authority": 1}
