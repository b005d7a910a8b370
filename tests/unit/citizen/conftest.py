"""A register with one agreement of each kind that matters to citizens."""

from collections.abc import Mapping
from typing import Any

import pytest

from bus.model.fact import Fact, FactKind
from bus.register.state import RegisterState

BANK, PORTAL, TAX, PARCELS = "address-to-bank", "person-to-portal", "person-to-tax", "parcel-to-tax"


def fact(kind: FactKind, name: str, action: str, body: Mapping[str, Any]) -> Fact:
    return Fact(kind, name, action, dict(body), "a test", "a test", 0)


def activated(name: str, *, consent: bool, identifier: str = "personal-id", number: int = 1) -> Fact:
    """An activation with what the consent API reads of a document."""
    basis = {"consent": "required", "statutory": None} if consent else {"statutory": "LAW-1", "consent": None}
    document = {
        "title": {"en": f"Title of {name}"},
        "recipient": name.rpartition("-")[2],
        "purpose": {"code": "a-purpose", "text": {"en": "A purpose"}},
        "basis": basis,
        "identifier": identifier,
        "dataset": "population.person",
        "fields": [{"name": "full_name", "called": None}, {"name": "birth_date", "called": "is_adult"}],
    }
    body = {
        "number": number,
        "revision": "new",
        "document": document,
        "topic": f"agency.{name}",
        "view_schema_id": 1,
        "accepted_revisions": ["new", "narrower"],
        "consent_basis": "CONSENT",
    }
    return fact(FactKind.AGREEMENT, name, "activated", body)


def folded(*facts: Fact) -> RegisterState:
    state = RegisterState()
    for offset, one in enumerate(facts):
        state = state.apply(one, offset)
    return state


@pytest.fixture
def state() -> RegisterState:
    return folded(
        fact(FactKind.AGENCY, "bank", "enrolled", {"name": {"en": "The Bank"}}),
        activated(BANK, consent=True, number=1),
        activated(PORTAL, consent=True, number=2),
        activated(TAX, consent=False, number=3),
        activated(PARCELS, consent=False, identifier="none", number=4),
        fact(FactKind.AGREEMENT, PORTAL, "ended", {}),
    )
