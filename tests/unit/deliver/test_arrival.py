"""What a recipient's client makes of what came, without a broker."""

from dataclasses import dataclass

import pytest

from bus.deliver.arrival import UNNAMED, Release, words_of
from bus.deliver.subscribe import Wanted
from bus.model.reasons import Reason
from bus.topics import Topics


@dataclass(frozen=True)
class Client:
    """As a bank's own program knows a client."""

    personal_id: str
    phone: str | None = None


def release(**fields: object) -> Release:
    return Release("a", "agency.bank.a.v1", 0, 7, None, "k", fields, 1)


def test_into_a_shape_of_ones_own() -> None:
    """A field that the class lacks is left out, one that the record lacks takes the class's default."""
    assert release(personal_id="1", added_later=True).into(Client) == Client("1")
    assert release(personal_id="1", phone="2").into(Client) == Client("1", "2")


def test_into_a_shape_that_needs_more() -> None:
    """A field without a default that the record lacks is named, and no value with it."""
    with pytest.raises(TypeError, match="personal_id") as refused:
        release(phone="0912").into(Client)
    assert "0912" not in str(refused.value)


def test_words_of_a_reason() -> None:
    """Every reason of the catalogue has its meaning, and a code of a newer bus still means erasure."""
    assert words_of(Reason.DELETED.value) == Reason.DELETED.meaning
    assert words_of("of-a-newer-bus") == words_of(None) == UNNAMED


def test_topics_of_one_agency() -> None:
    """Only topics of the very agency and prefix count, in every major version."""
    seen = ("x.agency.bank.a.v1", "x.agency.bank.a.v2", "x.agency.bank-two.a.v1", "agency.bank.a.v1", "x.changes.a.b")
    both = {"x.agency.bank.a.v1": "a", "x.agency.bank.a.v2": "a"}
    assert Wanted(Topics("x.", 4), "bank", frozenset()).among(seen) == both
    assert Wanted(Topics("x.", 4), "bank", frozenset({"a", "b"})).among(seen) == both
    assert Wanted(Topics("x.", 4), "bank", frozenset({"b"})).among(seen) == {}
