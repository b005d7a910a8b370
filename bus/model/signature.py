"""Who may speak for whom: keys of people and offices, and their signatures on facts (Ed25519, RFC 8032).

What is signed is the whole fact and the bus that it was made for, so that nothing of it can be changed, and so that
it says nothing on another bus. That it counts once only is the fold's business: see `bus.register.life`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bus.model.fact import Fact

_PURPOSE = b"bus.fact.1\n"
"""No signature made for something else can be taken for one on a fact."""


class Role(StrEnum):
    """What the holder of a key speaks for: the agency's registries, the agency as recipient, or the bus itself."""

    REGISTRIES = "registry"
    RECIPIENT = "recipient"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that facts can be checked with. `holder` is a person or an office; one of them may have several keys.

    `public` are the 32 bytes in hexadecimal. The operator's agency is empty.
    """

    id: str
    public: str
    holder: str
    agency: str
    role: Role

    def body(self) -> dict[str, Any]:
        """As it travels in facts."""
        named = {"public": self.public, "holder": self.holder, "agency": self.agency}
        return {"id": self.id, **named, "role": self.role.value}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "PublicKey":
        """The inverse of `body`. Raises ValueError or KeyError for what is no key."""
        if len(bytes.fromhex(body["public"])) != 32:
            raise ValueError("a public key has 32 bytes")
        given = {name: str(body[name]) for name in ("id", "public", "holder", "agency")}
        return cls(**given, role=Role(body["role"]))

    def signed(self, fact: Fact, bus: str) -> bool:
        """Whether the fact, as it is, was signed with this key for the bus of that id."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public))
            key.verify(fact.signature or b"", signed_bytes(fact, bus))
        except InvalidSignature:
            return False
        return fact.signing_key == self.id


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its secret half."""

    public: PublicKey
    _private: Ed25519PrivateKey

    @classmethod
    def of(cls, secret: bytes, *, key: str, holder: str, agency: str, role: Role) -> "SigningKey":
        """The key that follows from 32 secret bytes."""
        private = Ed25519PrivateKey.from_private_bytes(secret)
        return cls(PublicKey(key, private.public_key().public_bytes_raw().hex(), holder, agency, role), private)

    def sign(self, fact: Fact, bus: str) -> Fact:
        """The fact, signed for the bus of that id; `by` becomes the key's holder."""
        named = replace(fact, by=self.public.holder, signing_key=self.public.id)
        return replace(named, signature=self._private.sign(signed_bytes(named, bus)))


def signed_bytes(fact: Fact, bus: str) -> bytes:
    """What a signature is over: every part of the fact but the signature, and the bus, in one spelling."""
    parts = [bus, fact.kind.value, fact.subject_id, fact.action, fact.body, fact.by, fact.reason, fact.at_ms]
    whole = json.dumps([*parts, fact.signing_key], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _PURPOSE + whole.encode()
