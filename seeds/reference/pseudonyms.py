"""Keyed ids, computed anew from the root key: HKDF of RFC 5869 with SHA-256, then BLAKE2b of RFC 7693."""

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

EPOCH = 1
"""The epoch of every recipient's pseudonyms in the pretended country."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The root key, and recipient → the salt of its pseudonyms' epoch."""

    root: bytes
    salts: Mapping[str, bytes]


Hide = Callable[[str], str]
"""How a value stands where it must not be seen."""


def derived(root: bytes, use: str, salt: bytes = bytes(32)) -> bytes:
    """32 bytes for one use: extract with the salt, 32 zeros where there is none, then one round of expand."""
    extracted = hmac.digest(salt, root, "sha256")
    return hmac.digest(extracted, use.encode() + b"\x01", "sha256")


def keyed(key: bytes, text: str) -> bytes:
    """16 bytes over the text, before which stands its length."""
    data = text.encode()
    return hashlib.blake2b(len(data).to_bytes(4, "big") + data, key=key, digest_size=16).digest()


def pseudonyms_of(keys: Keys, recipient: str) -> Hide:
    """The pseudonyms of one recipient: base32 without padding."""
    key = derived(keys.root, f"pseudonym/{recipient}/{EPOCH}", keys.salts[recipient])
    return lambda value: b32encode(keyed(key, value)).decode().rstrip("=").lower()


def subject_hashes(root: bytes) -> Hide:
    """How persons stand in disclosure blocks: hexadecimal."""
    key = derived(root, "subject")
    return lambda value: keyed(key, value).hex()
