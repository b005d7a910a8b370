"""Keyed ids: what stands for a person where the personal id itself must not.

All come from one root key by HKDF (RFC 5869) and a keyed BLAKE2b (RFC 7693). A personal id has about 10^10 plausible
values, so an unkeyed hash of it would be disclosure.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import NewType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

RootKey = NewType("RootKey", bytes)
"""32 random bytes; the bus's most guarded secret."""

Salts = Callable[[str, int], bytes]
"""(recipient, epoch) → 32 random bytes, beside the root key the other half of what pseudonyms are made with."""


def no_salts(recipient: str, epoch: int) -> bytes:
    """For a ring that makes no pseudonyms."""
    raise LookupError(f"this key ring makes no pseudonyms, asked for {recipient} and epoch {epoch}")


def keyed_id(key: bytes, *parts: str, size: int = 16) -> str:
    """A lower-case base32 text over `parts`, each length-prefixed so that ('ab','c') and ('a','bc') differ."""
    return _base32(_absorbed(key, parts, size).digest())


def keyed_marks(key: bytes, *parts: str) -> Callable[[bytes], bytes]:
    """A function of `last`, in UTF-8, that gives the same 16 bytes as `keyed_id(key, *parts, last)`, in hexadecimal.

    For ids that are made for every record: a MAC that has begun already, and digits that the standard library writes,
    take a sixth of the time.
    """
    begin = _absorbed(key, parts, 16).copy

    def of(last: bytes) -> bytes:
        mac = begin()
        mac.update(len(last).to_bytes(4, "big") + last)
        return mac.hexdigest().encode()

    return of


def _absorbed(key: bytes, parts: tuple[str, ...], size: int) -> "hashlib.blake2b":
    mac = hashlib.blake2b(key=key, digest_size=size)
    mac.update(_sized(parts))
    return mac


def _sized(parts: tuple[str, ...]) -> bytes:
    return b"".join([len(data).to_bytes(4, "big") + data for data in [part.encode() for part in parts]])


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)


def _base32(digest: bytes) -> str:
    """RFC 4648, lower case, without padding: two letters at a time, thrice as quick as the standard library's."""
    letters = (len(digest) * 8 + 4) // 5
    even = letters + letters % 2
    number = int.from_bytes(digest, "big") << (even * 5 - len(digest) * 8)
    text = "".join([_PAIRS[number >> shift & 1023] for shift in range(even * 5 - 10, -1, -10)])
    return text[:letters]


class KeyRing:
    """Derived keys of one bus, by use; each use has its own, so that no two kinds of id can be joined."""

    def __init__(self, root: RootKey, salts: Salts = no_salts) -> None:
        if len(root) != 32:
            raise ValueError(f"the root key has {len(root)} bytes, and must have 32")
        self._root = root
        self._salts = salts
        self.derive = cache(self._derive)
        self.subject_mark = keyed_marks(self.derive("subject"))
        """`subject_hash`, of and in UTF-8."""

        self._begun_view = hashlib.blake2b(key=self.derive("view"), digest_size=16).copy

    def _derive(self, use: str) -> bytes:
        """32 bytes for one use, for instance `subject`."""
        return self._salted(None, use)

    def _salted(self, salt: bytes | None, use: str) -> bytes:
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=use.encode()).derive(self._root)

    def subject_hash(self, subject: str) -> str:
        """How a person stands in disclosures and logs: the same everywhere inside the bus, never outside it."""
        return self.subject_mark(subject.encode()).decode()

    def pseudonym(self, recipient: str, epoch: int, value: str) -> str:
        """How a value stands in a pseudonymous flow: stable for one recipient and epoch, joinable with no other."""
        return self.pseudonyms(recipient, epoch)(value)

    def pseudonyms(self, recipient: str, epoch: int) -> Callable[[str], str]:
        """`pseudonym(recipient, epoch, value)` as a function of `value`. Raises what asking for the salt raises."""
        key = self._salted(self._salts(recipient, epoch), f"pseudonym/{recipient}/{epoch}")
        return lambda value: keyed_id(key, value)

    def pseudonym_check(self, recipient: str, epoch: int) -> str:
        """Tells whether two rings make the same pseudonyms, and nothing of any of them."""
        return keyed_id(self._salted(self._salts(recipient, epoch), f"pseudonym-check/{recipient}/{epoch}"))

    def root_check(self) -> str:
        """Tells whether two rings come from one root key, and nothing of it."""
        return keyed_id(self.derive("root-check"))

    def view_hash(self, view: bytes) -> bytes:
        """16 bytes that tell whether two views are equal, keyed, for a view is personal."""
        mac = self._begun_view()
        mac.update(view)
        return mac.digest()

    def event_ids(self, recipient: str, *ending: str) -> Callable[..., str]:
        """The ids of deliveries, as a function of what comes before `ending`; they differ between recipients."""
        begin, end = _absorbed(self.derive(f"event/{recipient}"), (), 16).copy, _sized(ending)

        def of(*parts: str) -> str:
            mac = begin()
            mac.update(_sized(parts) + end)
            return _base32(mac.digest())

        return of

    def consent_refs(self, recipient: str) -> Callable[[bytes], bytes]:
        """How consent events, by their ids in UTF-8, stand in the headers of a recipient's records."""
        return keyed_marks(self.derive(f"event/{recipient}"), "consent")

    def traces(self, agreement: str) -> Callable[..., tuple[str, str]]:
        """The ids of traces and of their first spans (W3C Trace Context), by what names them under an agreement."""
        begin = _absorbed(self.derive(f"trace/{agreement}"), (), 24).copy

        def of(*parts: str) -> tuple[str, str]:
            mac = begin()
            mac.update(_sized(parts))
            made = mac.hexdigest()
            return made[:32], made[32:]

        return of

    def phase_ms(self, number: int, grain_ms: int) -> int:
        """By how much the clock of the agreement of that number is ahead, within the grain of the times it tells.

        The milliseconds differ from agreement to agreement (numbers that are equal modulo 1000 share theirs), so that
        no two clocks ever tell the same time; longer grains begin at a second that only the key knows.
        """
        drawn = int.from_bytes(_absorbed(self.derive("clock"), (), 8).digest(), "big")
        second = int.from_bytes(_absorbed(self.derive("clock"), (str(number),), 8).digest(), "big")
        return (second * 1000 + (drawn + 387 * number) % 1000) % grain_ms
