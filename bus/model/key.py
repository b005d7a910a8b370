"""The key of a change: whose record it is and which one. And the lane that follows from it."""

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

UNKNOWN_SUBJECT = "-"

LONGEST_KEY = 65_536
"""In bytes. What a lane notes of a record is keyed by more than its key, and must find room in a topic all the same."""


class RecordKey(NamedTuple):
    """`subject` is the personal id of whom the record is about; None in a dataset without subjects.

    On the wire: `subject/record id`, or the bare record id where there is no subject. A subject contains no `/`: the
    key splits at the first one. A record whose subject is not known has the subject `-`.
    """

    subject: str | None
    record_id: str

    def encode(self) -> bytes:
        """The bytes of the Kafka key. Raises ValueError for a subject with a slash."""
        if self.subject is None:
            return self.record_id.encode()
        if "/" in self.subject:
            raise ValueError("a subject must not contain '/'")
        return f"{self.subject}/{self.record_id}".encode()

    @classmethod
    def decode(cls, key: bytes, *, has_subject: bool) -> "RecordKey":
        """The inverse of `encode`.

        Raises ValueError where a subject is due and no slash stands in the key, and for one that is empty or too long.
        """
        text = _text(key)
        if not has_subject:
            return cls(None, text)
        subject, slash, record_id = text.partition("/")
        if not slash or not subject or not record_id:
            raise ValueError("the key is not `subject/record id`")
        return cls(subject, record_id)

    @property
    def lane_text(self) -> str:
        """What decides the lane: the subject, or the record id where there is none."""
        return self.record_id if self.subject is None else self.subject


def subject_of(key: bytes, *, has_subject: bool) -> str | None:
    """The subject of `RecordKey.decode`, without making the rest of it. Raises ValueError as that does."""
    text = _text(key)
    if not has_subject:
        return None
    subject, _, record_id = text.partition("/")
    if not subject or not record_id:
        raise ValueError("the key is not `subject/record id`")
    return subject


def _text(key: bytes) -> str:
    if not 0 < len(key) <= LONGEST_KEY:
        raise ValueError(f"the key is not of 1 to {LONGEST_KEY} bytes")
    return key.decode()


def lane_of(text: str, lanes: int) -> int:
    """The lane (partition) of a subject: Kafka's own default partitioner over its UTF-8 bytes."""
    return lane_of_bytes(text.encode(), lanes)


def lane_of_bytes(text: bytes, lanes: int) -> int:
    """The same of a text that is encoded already."""
    return (murmur2(text) & 0x7FFFFFFF) % lanes


@lru_cache(256)
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    return struct.Struct(f"<{count}I").unpack_from


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, seed 0x9747b28c, as Kafka's `Utils.murmur2`; unsigned."""
    mask, mix = 0xFFFFFFFF, 0x5BD1E995
    value = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for four in _words(whole >> 2)(data):
        word = four * mix & mask
        value = (value * mix ^ (word ^ word >> 24) * mix) & mask
    rest = len(data) & 3
    if rest:
        value ^= int.from_bytes(data[whole:], "little")
        value = value * mix & mask
    value = (value ^ value >> 13) * mix & mask
    return value ^ value >> 15
