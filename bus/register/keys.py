"""The keys that facts are checked with: how they come and go, and for whom each may speak. Pure.

The first keys stand in the founding fact. The operator adds the first key of an agency; from then on only a key of
that agency adds another one, so that the operator cannot quietly speak for an agency that has a key.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bus.agreements.document import AgreementDocument
from bus.model.fact import Fact
from bus.model.signature import PublicKey, Role
from bus.register.life import NotAllowed, Refusal


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as the register knows it. An id is never given twice, not even after the key was revoked."""

    key: PublicKey
    since_offset: int
    revoked: bool = False
    anew: bool = False
    """Whether nobody of the agency vouches for it: the operator gave it, or the key that gave it, to an agency whose
    earlier keys were revoked. It counts, for an office that lost its keys must go on; whoever reads is told."""


Keys = Mapping[str, KeyEntry]


def first_keys(body: Mapping[str, Any], offset: int) -> dict[str, KeyEntry]:
    """The keys in a founding fact. Raises ValueError or KeyError for what is no key."""
    keys = [PublicKey.of(one) for one in body.get("keys", ())]
    return {key.id: KeyEntry(key, offset) for key in keys}


def verified(fact: Fact, keys: Keys, bus: str) -> PublicKey:
    """The key that signed a fact, valid now. Raises NotAllowed."""
    if fact.signature is None or fact.signing_key is None:
        raise NotAllowed(Refusal.UNSIGNED)
    entry = keys.get(fact.signing_key)
    if entry is None:
        raise NotAllowed(Refusal.KEY_UNKNOWN)
    if entry.revoked:
        raise NotAllowed(Refusal.KEY_REVOKED)
    if not entry.key.signed(fact, bus):
        raise NotAllowed(Refusal.SIGNATURE_FALSE)
    if fact.by != entry.key.holder:
        raise NotAllowed(Refusal.NAME_FALSE)
    return entry.key


def by_operator(fact: Fact, keys: Keys, bus: str) -> PublicKey:
    """The operator's key that signed a fact, valid now. Raises NotAllowed."""
    signer = verified(fact, keys, bus)
    if signer.role is not Role.OPERATOR:
        raise NotAllowed(Refusal.NOT_OPERATOR)
    return signer


def with_key_fact(keys: Keys, fact: Fact, bus: str, offset: int) -> dict[str, KeyEntry]:
    """The keys after a fact of kind KEY. Raises NotAllowed; ValueError or KeyError for what is no key."""
    signer = verified(fact, keys, bus)
    known = keys.get(fact.subject_id)
    if fact.action == "added":
        if known is not None:
            raise NotAllowed(Refusal.KEY_KNOWN)
        added = PublicKey.of(fact.body)
        if added.id != fact.subject_id:
            raise NotAllowed(Refusal.NAME_FALSE)
        if not _may_add(signer, added, keys):
            raise NotAllowed(Refusal.NOT_THEIRS)
        return {**keys, added.id: KeyEntry(added, offset, anew=_is_anew(signer, added, keys))}
    if fact.action != "revoked":
        raise NotAllowed(Refusal.UNKNOWN_ACTION)
    if known is None or known.revoked:
        raise NotAllowed(Refusal.KEY_UNKNOWN)
    if signer.role is not Role.OPERATOR and signer.agency != known.key.agency:
        raise NotAllowed(Refusal.NOT_THEIRS)
    if known.key.role is Role.OPERATOR and len(operators(keys)) == 1:
        raise NotAllowed(Refusal.LAST_KEY)
    return {**keys, fact.subject_id: replace(known, revoked=True)}


def operators(keys: Keys) -> list[PublicKey]:
    """The operator's keys that count, in the order in which they came."""
    return [one.key for one in keys.values() if one.key.role is Role.OPERATOR and not one.revoked]


def spelt_otherwise(holder: str, keys: Keys) -> str | None:
    """A known holder who is this one in another spelling: letters, blanks, accents, what nobody sees; None without one.

    That nobody approves what they wrote, nor twice, is held by the name.
    """
    names = {entry.key.holder for entry in keys.values()}
    alike = sorted(name for name in names if _folded(name) == _folded(holder))
    return alike[0] if alike and holder not in names else None


def _folded(name: str) -> str:
    seen = "".join(one for one in name if unicodedata.category(one) != "Cf")  # the others take no place on a screen
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())


def _may_add(signer: PublicKey, added: PublicKey, keys: Keys) -> bool:
    """An agency's keys come from that agency, but for its first; the operator's from an operator."""
    if (added.role is Role.OPERATOR) is not (added.agency == ""):
        return False
    if signer.role is not Role.OPERATOR:
        return signer.agency == added.agency
    has_one = any(entry.key.agency == added.agency and not entry.revoked for entry in keys.values())
    return added.role is Role.OPERATOR or not has_one


def _is_anew(signer: PublicKey, added: PublicKey, keys: Keys) -> bool:
    if signer.role is not Role.OPERATOR:
        return keys[signer.id].anew
    return added.agency != "" and any(entry.key.agency == added.agency for entry in keys.values())


def role_in(
    signer: PublicKey, document: AgreementDocument, registry: str, agencies: Mapping[str, Mapping[str, Any]]
) -> Role | None:
    """What a key's holder speaks for in an agreement about a dataset of `registry`; None when it is not theirs."""
    theirs = {
        Role.OPERATOR: True,
        Role.RECIPIENT: signer.agency == document.recipient,
        Role.REGISTRIES: registry in agencies.get(signer.agency, {}).get("registries", ()),
    }
    return signer.role if theirs[signer.role] else None
