"""Pseudonyms against vectors that another implementation has made, and against the primitives taken one by one."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from bus.model.keyring import KeyRing, RootKey

VECTORS = json.loads((Path(__file__).parent / "vectors" / "pseudonyms.json").read_text("utf-8"))["vectors"]


def ring(vector: dict[str, Any]) -> KeyRing:
    return KeyRing(RootKey(bytes.fromhex(vector["root"])), lambda _recipient, _epoch: bytes.fromhex(vector["salt"]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['recipient']}-{one['epoch']}-{one['pseudonym'][:6]}")
def test_pseudonyms_of_the_vectors(vector: dict[str, Any]) -> None:
    """Root key, salt, recipient, epoch and value give the pseudonym that OpenSSL's own tool gives."""
    assert ring(vector).pseudonym(vector["recipient"], vector["epoch"], vector["value"]) == vector["pseudonym"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['recipient']}-{one['epoch']}-{one['pseudonym'][:6]}")
def test_the_vectors_by_the_primitives(vector: dict[str, Any]) -> None:
    """A vector is HKDF-SHA256 (extract with the salt, expand for the use), then keyed BLAKE2b over length and value."""
    extract = HMAC(bytes.fromhex(vector["salt"]), hashes.SHA256())
    extract.update(bytes.fromhex(vector["root"]))
    use = f"pseudonym/{vector['recipient']}/{vector['epoch']}".encode()
    key = HKDFExpand(hashes.SHA256(), 32, use).derive(extract.finalize())
    assert key.hex() == vector["key"]
    value = vector["value"].encode()
    mac = hashlib.blake2b(len(value).to_bytes(4, "big") + value, key=key, digest_size=16).digest()
    assert base64.b32encode(mac).decode().rstrip("=").lower() == vector["pseudonym"]


def test_vectors_differ() -> None:
    """Another root key, recipient, epoch or value gives another pseudonym."""
    assert len({one["pseudonym"] for one in VECTORS}) == len(VECTORS)


def test_a_ring_without_salts_makes_no_pseudonyms() -> None:
    """The root key alone is not enough: who has destroyed a salt cannot make its pseudonyms again."""
    with pytest.raises(LookupError, match="makes no pseudonyms"):
        KeyRing(RootKey(bytes(32))).pseudonym("statistics-office", 1, "001090000017")
