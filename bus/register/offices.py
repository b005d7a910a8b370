"""The keys that sign: made and kept in the home, one secret a key; and the offices that a country plays by itself."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bus.agreements.agencies import Agencies, Agency
from bus.agreements.document import AgreementDocument
from bus.errors import KeyMissing
from bus.model.signature import PublicKey, Role, SigningKey
from bus.platform.home import Home

OPERATOR = "operator"


def made_key(home: Home, *, key: str, holder: str, agency: str, role: Role) -> SigningKey:
    """The key of that id, its secret made at first use."""
    secret = home.secret(f"keys/{key}", lambda: secrets.token_hex(32))
    return SigningKey.of(bytes.fromhex(secret), key=key, holder=holder, agency=agency, role=role)


def held_key(home: Home, key: PublicKey) -> SigningKey:
    """A known key with its secret from the home. Raises KeyMissing when the secret is not there, or another one is."""
    if home.has_secret(f"keys/{key.id}"):
        found = made_key(home, key=key.id, holder=key.holder, agency=key.agency, role=key.role)
        if found.public == key:
            return found
    raise KeyMissing(key=key.id)


def operator_key(home: Home) -> SigningKey:
    """The key of whoever runs the bus; its public half stands in the founding fact."""
    return made_key(home, key=OPERATOR, holder=OPERATOR, agency="", role=Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class Offices:
    """The offices of a country that signs for itself, by agency: who writes texts, and who approves them.

    A real country has no such thing: there, each office keeps its own key.
    """

    desks: Mapping[str, SigningKey]
    registries: Mapping[str, SigningKey]
    recipients: Mapping[str, SigningKey]

    def keys(self) -> list[SigningKey]:
        """Every key, those of one agency in the order in which they may be added."""
        return [*self.desks.values(), *self.registries.values(), *self.recipients.values()]

    def author(self, document: AgreementDocument) -> SigningKey:
        """Who writes an agreement: the desk of its recipient."""
        return self.desks[document.recipient]


def offices_of(agencies: Agencies, home: Home) -> Offices:
    """A desk and an approver for each agency that receives, an approver for each that runs registries."""
    receiving = [agency for agency in agencies.agencies if agency.receives]
    return Offices(
        desks=_offices(receiving, "desk", Role.RECIPIENT, home),
        registries=_offices([one for one in agencies.agencies if one.registries], "registry", Role.REGISTRIES, home),
        recipients=_offices(receiving, "approval", Role.RECIPIENT, home),
    )


def _offices(agencies: Iterable[Agency], name: str, role: Role, home: Home) -> dict[str, SigningKey]:
    return {
        one.id: made_key(home, key=f"{one.id}.{name}", holder=f"{one.id} {name}", agency=one.id, role=role)
        for one in agencies
    }
