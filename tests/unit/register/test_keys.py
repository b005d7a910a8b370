"""Whose key it is: one person must not count for two."""

import unicodedata

import pytest

from bus.model.signature import Role
from bus.register.keys import spelt_otherwise
from bus.register.steps import key_added
from tests.unit.register.book import DESK, key, peopled

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
