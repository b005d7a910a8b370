"""A register with one agreement of each kind that matters to citizens."""

from dataclasses import replace

import pytest

from bus.register.state import AgreementEntry, RegisterState, Standing

BANK, PORTAL, TAX, PARCELS = "address-to-bank", "person-to-portal", "person-to-tax", "parcel-to-tax"


def activated(name: str, *, consent: bool, identifier: str = "personal-id", number: int = 1) -> AgreementEntry:
    """An agreement in force, with what the consent API reads of a document."""
    basis = {"consent": "required", "statutory": None} if consent else {"statutory": "LAW-1", "consent": None}
    document = {
        "title": {"en": f"Title of {name}"},
        "recipient": name.rpartition("-")[2],
        "purpose": {"code": "a-purpose", "text": {"en": "A purpose"}},
        "basis": basis,
        "identifier": identifier,
        "dataset": "population.person",
        "valid": {"from": "2026-01-01", "until": None},
        "timezone": "Asia/Ho_Chi_Minh",
        "fields": [{"name": "full_name", "called": None}, {"name": "birth_date", "called": "is_adult"}],
    }
    return AgreementEntry(
        agreement=name,
        number=number,
        revision="new",
        document=document,
        topic=f"agency.{name}",
        view_schema_id=1,
        standing=Standing.ACTIVE,
        accepted_revisions=frozenset({"new", "narrower"}),
        consent_basis="CONSENT",
        since_offset=0,
    )


def in_force(state: RegisterState, *entries: AgreementEntry) -> RegisterState:
    """The state with these agreements as they are, however they came there."""
    return replace(state, agreements={**state.agreements, **{entry.agreement: entry for entry in entries}})


@pytest.fixture
def state() -> RegisterState:
    known = replace(RegisterState(), agencies={"bank": {"name": {"en": "The Bank"}}}, offset=1)
    return in_force(
        known,
        activated(BANK, consent=True, number=1),
        replace(activated(PORTAL, consent=True, number=2), standing=Standing.ENDED),
        activated(TAX, consent=False, number=3),
        activated(PARCELS, consent=False, identifier="none", number=4),
    )
