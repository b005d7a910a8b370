"""Whose key it is: one person must not count for two."""

import unicodedata

import pytest

from bus.model.signature import Role
from bus.register.keys import spelt_otherwise
from bus.register.steps import key_added, key_revoked
from tests.unit.register.book import BOSS, DESK, OPERATOR, key, peopled

HOLDER = "Nguyễn Văn Ấn"


@pytest.mark.parametrize(
    "holder",
    [
        f"{HOLDER} ",
        HOLDER.upper(),
        unicodedata.normalize("NFD", HOLDER),
        HOLDER.replace(" ", "\u00a0"),
        f"\ufeff{HOLDER}",
        HOLDER.replace("Văn", "V\u00adăn\u200b"),
    ],
)
def test_a_holder_in_another_spelling(holder: str) -> None:
    """Whoever holds a key is known again, however a tool or a hurried clerk spells them, and a new holder is new."""
    first = key("an", "tax-authority", Role.RECIPIENT, seed=21, holder=HOLDER)
    keys = peopled().sign(key_added(first.public, DESK)).state.keys
    assert spelt_otherwise(holder, keys) == HOLDER
    assert spelt_otherwise(HOLDER, keys) is None
    assert spelt_otherwise("Nguyễn Văn An", keys) is None


def test_a_key_for_which_nobody_of_the_agency_vouches() -> None:
    """A key that the operator gives in place of revoked ones is known as such, and so is one that it gives in turn."""
    mine = key("tax.new", "tax-authority", Role.RECIPIENT, seed=22)
    next_one = key("tax.next", "tax-authority", Role.RECIPIENT, seed=23)
    land = key("land", "land-office", Role.RECIPIENT, seed=24)
    book = peopled().sign(key_added(land.public, OPERATOR))
    for one in (DESK, BOSS):
        book.sign(key_revoked(one.public.id, OPERATOR, "a test"))
    book.sign(key_added(mine.public, OPERATOR), key_added(next_one.public, mine))
    assert {name for name, one in book.state.keys.items() if one.anew} == {"tax.new", "tax.next"}
