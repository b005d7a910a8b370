"""Keyed ids: stable, and joinable only where they are meant to be."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.model.keyring import KeyRing, RootKey, keyed_id, keyed_marks


def salt(recipient: str, epoch: int) -> bytes:
    """Not random, but a salt of its own for each recipient and epoch."""
    return f"{recipient}/{epoch}".encode()


RING = KeyRing(RootKey(bytes(range(32))), salt)
OTHER = KeyRing(RootKey(bytes(range(1, 33))), salt)
PERSON = "001190000029"


def test_a_root_key_of_another_length_is_refused() -> None:
    """A short key would be guessed: 32 bytes and nothing else."""
    with pytest.raises(ValueError, match="has 16 bytes"):
        KeyRing(RootKey(bytes(16)))


def test_no_two_uses_give_the_same_id() -> None:
    """What stands for a person in one place must not be found by what stands for them in another."""
    ids = {
        "log": RING.subject_hash(PERSON),
        "pseudonym": RING.pseudonym("statistics-office", 1, PERSON),
        "pseudonym of another recipient": RING.pseudonym("tax-authority", 1, PERSON),
        "pseudonym of the next epoch": RING.pseudonym("statistics-office", 2, PERSON),
        "event": RING.event_ids("statistics-office")(PERSON),
        "event of another recipient": RING.event_ids("tax-authority")(PERSON),
        "log of another bus": OTHER.subject_hash(PERSON),
        "check of the root key": RING.root_check(),
        "check of another bus's": OTHER.root_check(),
    }
    for (one, first), (other, second) in itertools.combinations(ids.items(), 2):
        assert first != second, (one, other)


def test_an_id_is_the_same_at_every_start() -> None:
    """A recipient must know a record again after a restart: ids follow from the root key alone."""
    again = KeyRing(RootKey(bytes(range(32))), salt)
    assert again.subject_hash(PERSON) == RING.subject_hash(PERSON)
    assert again.pseudonym("statistics-office", 1, PERSON) == RING.pseudonym("statistics-office", 1, PERSON)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_parts_cannot_be_shifted_into_one_another(one: list[str], other: list[str]) -> None:
    """Only the same parts give the same id: ('ab', 'c') is not ('a', 'bc')."""
    key = bytes(32)
    assert (keyed_id(key, *one) == keyed_id(key, *other)) == (one == other)


def test_an_id_fits_into_a_key() -> None:
    """An id must be lower-case letters and digits: it stands in Kafka keys and in headers."""
    pseudonym, mark = RING.pseudonym("statistics-office", 1, PERSON), RING.subject_hash(PERSON)
    assert (len(pseudonym), len(mark)) == (26, 32)
    assert set(pseudonym) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert set(mark) <= set("0123456789abcdef")


@given(st.lists(st.text(), max_size=3), st.text())
def test_marks_are_ids_in_other_digits(parts: list[str], last: str) -> None:
    """Marks made in a row hold the same bytes as ids made one by one."""
    one = keyed_id(bytes(32), *parts, last)
    assert base64.b32decode(one.upper() + "======").hex() == keyed_marks(bytes(32), *parts)(last.encode()).decode()


@given(st.lists(st.text(), max_size=3), st.integers(1, 64))
def test_ids_of_any_size(parts: list[str], size: int) -> None:
    """An id is written in the letters of RFC 4648, whatever its size."""
    one = keyed_id(bytes(32), *parts, size=size)
    assert len(base64.b32decode(one.upper() + "=" * (-len(one) % 8))) == size


def test_nothing_can_be_made_without_the_root_key() -> None:
    """Whatever stands for a person, a view, a consent or a delivery is the same again, and another by another key."""
    rings = RING, OTHER, KeyRing(RootKey(bytes(range(32))), salt)
    made = [
        (
            ring.subject_hash("p"),
            ring.view_hash(b"view"),
            ring.view_hash(b"another"),
            ring.pseudonym("r", 1, "p"),
            ring.pseudonym("r", 2, "p"),
            ring.pseudonym_check("r", 1),
            ring.pseudonym_check("r", 2),
            ring.root_check(),
            ring.consent_refs("r")(b"e"),
            ring.consent_refs("s")(b"e"),
            ring.traces("a")("1"),
            ring.traces("b")("1"),
            ring.event_ids("r", "a")("1"),
            ring.event_ids("r", "b")("1"),
        )
        for ring in rings
    ]
    assert made[0] == made[2]
    assert len({*made[0], *made[1]}) == 2 * len(made[0])
