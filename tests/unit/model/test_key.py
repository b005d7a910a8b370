"""Keys of changes, and the lanes that follow from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.model.key import RecordKey, lane_of, subject_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SUBJECTS = TEXTS.filter(lambda text: "/" not in text)

KAFKAS_OWN = {
    "21": -973932308,
    "abc": 479470107,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
}
"""Hashes from the tests of Kafka's own default partitioner."""


@given(SUBJECTS, TEXTS)
def test_a_key_with_a_subject_comes_back(subject: str, record_id: str) -> None:
    """Whatever a record id contains, slashes too, the key must split where it was joined."""
    key = RecordKey(subject, record_id)
    assert RecordKey.decode(key.encode(), has_subject=True) == key


@given(TEXTS)
def test_a_key_without_a_subject_comes_back(record_id: str) -> None:
    """In a dataset about no person the whole key is the record id."""
    key = RecordKey(None, record_id)
    assert RecordKey.decode(key.encode(), has_subject=False) == key


def test_a_subject_with_a_slash_is_refused() -> None:
    """Such a subject would be read back as another person."""
    with pytest.raises(ValueError, match="must not contain"):
        RecordKey("a/b", "1").encode()


@pytest.mark.parametrize("broken", [b"", b"/", b"a", b"a/", b"/a", b"\xff/1"])
def test_a_broken_key_is_refused(broken: bytes) -> None:
    """Bytes that name no person and no record must be refused where a person is due."""
    with pytest.raises(ValueError, match=r"the key is not|codec can.t decode"):
        RecordKey.decode(broken, has_subject=True)


@given(
    key=st.binary(max_size=12) | st.sampled_from([b"a/b", b"a/", b"/b", b"a/b/c", b"\xff/1"]), has_subject=st.booleans()
)
def test_the_subject_alone_is_that_of_the_key(key: bytes, *, has_subject: bool) -> None:
    """Who only asks for the subject gets what the whole key says, and is refused where that is."""
    try:
        expected = RecordKey.decode(key, has_subject=has_subject).subject
    except ValueError:
        with pytest.raises(ValueError, match=r"the key is not|codec can.t decode"):
            subject_of(key, has_subject=has_subject)
    else:
        assert subject_of(key, has_subject=has_subject) == expected


@pytest.mark.parametrize(("text", "hashed"), KAFKAS_OWN.items())
@pytest.mark.parametrize("lanes", [1, 8, 96, 4096])
def test_lanes_are_those_of_kafkas_partitioner(text: str, hashed: int, lanes: int) -> None:
    """Any Kafka client that is left to partition by the subject must find the same lane."""
    assert lane_of(text, lanes) == (hashed & 0x7FFFFFFF) % lanes


@given(SUBJECTS, TEXTS, TEXTS, st.integers(1, 4096))
def test_all_records_of_a_person_share_a_lane(subject: str, one: str, other: str, lanes: int) -> None:
    """The lane must follow from the person alone, for their records meet their consents there."""
    assert RecordKey(subject, one).lane_text == RecordKey(subject, other).lane_text == subject
    assert 0 <= lane_of(subject, lanes) < lanes
