"""The register's fold against people who write facts that they may not tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument, revision
from bus.model.fact import Fact, FactKind
from bus.model.signature import PublicKey, Role, SigningKey
from bus.register.life import Action, Refusal, Stage
from bus.register.state import RegisterState, Standing
from bus.register.steps import Ground, activation, drafting, key_added, key_revoked, signed_facts, step
from tests.unit.agreements.ground import AGENCIES, DATASETS

SEEDS = Path(__file__).parents[3] / "seeds"
TAX = next(one for one in load_agreements(SEEDS / "agreements", DATASETS, AGENCIES) if one.id == "person-to-tax")
NARROWER = TAX.model_copy(update={"fields": TAX.fields[:1]})
GROUND = Ground("t.agency.tax-authority.person-to-tax.v1", 7)
NOW = 1_790_000_000_000


def key(name: str, agency: str, role: Role, *, seed: int, holder: str = "") -> SigningKey:
    return SigningKey.of(bytes([seed]) * 32, key=name, holder=holder or name, agency=agency, role=role)


OPERATOR = key("operator", "", Role.OPERATOR, seed=1)
DESK = key("tax.desk", "tax-authority", Role.RECIPIENT, seed=2)
BOSS = key("tax.boss", "tax-authority", Role.RECIPIENT, seed=3)
POLICE = key("police", "public-security", Role.REGISTRY, seed=4)
BANK = key("bank", "commercial-bank", Role.RECIPIENT, seed=5)
BOSS_AT_HOME = key("boss.home", "public-security", Role.REGISTRY, seed=6, holder=BOSS.public.holder)
STRANGER = key("stranger", "tax-authority", Role.RECIPIENT, seed=9)


@dataclass
class Book:
    """A register in memory."""

    state: RegisterState = field(default_factory=RegisterState)
    facts: list[Fact] = field(default_factory=list)

    def tell(self, *facts: Fact) -> "Book":
        for fact in facts:
            self.facts.append(fact)
            self.state = self.state.apply(fact, self.state.offset)
        return self

    def plain(self, kind: FactKind, name: str, action: str, body: Mapping[str, Any]) -> "Book":
        return self.tell(Fact(kind, name, action, dict(body), "operator", "a test", NOW))

    def sign(self, *wishes: Any) -> "Book":
        return self.tell(*signed_facts(wishes, self.state, NOW))

    def life(self, text: AgreementDocument = TAX) -> "Book":
        return self.sign(*drafting(text, DESK, "a wish"), approve(POLICE), approve(BOSS), activate(text))

    def refused(self, fact: Fact) -> Refusal | None:
        """Why a fact is refused, None if it is not; whatever is refused must change nothing."""
        before, count = self.state, self.state.refused_count
        self.tell(fact)
        if self.state.refused_count == count:
            return None
        same = replace(self.state, refused=before.refused, refused_count=count, offset=before.offset)
        assert same == before
        return self.state.refused[-1].refusal


def approve(signer: SigningKey) -> Any:
    return step(TAX.id, Action.APPROVED, signer, "it is right")


def activate(text: AgreementDocument = TAX) -> Any:
    return activation(text, GROUND, "CONSENT", OPERATOR, "both agreed")


def raw(book: Book, signer: SigningKey, action: str, body: Mapping[str, Any], reason: str = "because") -> Fact:
    """A well-signed fact that nobody judged before it was written."""
    steps = book.state.lives[TAX.id].steps if TAX.id in book.state.lives else 0
    told = {"step": steps + 1, **body}
    return signer.sign(Fact(FactKind.AGREEMENT, TAX.id, action, told, "", reason, NOW), book.state.bus)


@pytest.fixture
def book() -> Book:
    founded = Book().plain(
        FactKind.BUS,
        "bus",
        "founded",
        {"prefix": "t.", "lanes": 8, "group": "g", "id": "this-bus", "keys": [OPERATOR.public.body()]},
    )
    for agency in AGENCIES.agencies:
        founded.plain(FactKind.AGENCY, agency.id, "enrolled", agency.model_dump(mode="json", exclude={"id"}))
    for name, dataset in DATASETS.items():
        body = {"registry": dataset.registry, "schema": dataset.schema, "schema_id": 1}
        founded.plain(FactKind.DATASET, name, "enrolled", body)
    firsts = [key_added(one.public, OPERATOR) for one in (DESK, POLICE, BANK)]
    return founded.sign(*firsts, key_added(BOSS.public, DESK), key_added(BOSS_AT_HOME.public, POLICE))


def test_a_whole_life(book: Book) -> None:
    """Drafted, handed in, approved by two, activated: then it is in force, with number and text; nothing is refused."""
    entry = book.life().state.agreements[TAX.id]
    assert (entry.standing, entry.number, entry.revision) == (Standing.ACTIVE, 1, revision(TAX))
    assert book.state.refused == ()
    for action, standing in (
        (Action.SUSPENDED, Standing.SUSPENDED),
        (Action.RESUMED, Standing.ACTIVE),
        (Action.ENDED, Standing.ENDED),
    ):
        assert book.sign(step(TAX.id, action, BOSS, "we must")).state.agreements[TAX.id].standing is standing
    again = book.life().state.agreements[TAX.id]
    assert (again.standing, again.number) == (Standing.ACTIVE, 2)


def test_a_new_revision(book: Book) -> None:
    """While a changed text is under way the old one stays in force; it takes over at one offset, with its consents."""
    first = book.life().state.agreements[TAX.id]
    book.sign(*drafting(NARROWER, DESK, "less is enough"), approve(POLICE))
    assert book.state.agreements[TAX.id] == first
    proposal = book.state.lives[TAX.id].proposal
    assert proposal is not None
    assert proposal.stage is Stage.APPROVED_BY_REGISTRY
    book.sign(approve(BOSS), activate(NARROWER))
    entry = book.state.agreements[TAX.id]
    assert (entry.revision, entry.number) == (revision(NARROWER), first.number)
    assert entry.since_offset == book.state.offset - 1
    assert entry.accepted_revisions == {revision(TAX), revision(NARROWER)}


def test_replayed(book: Book) -> None:
    """Every fact of a life, told once more, is refused, in whatever state the agreement is then."""
    book.life().sign(step(TAX.id, Action.SUSPENDED, BOSS, "a"), step(TAX.id, Action.RESUMED, BOSS, "b"))
    book.sign(step(TAX.id, Action.SUSPENDED, POLICE, "c"))
    told = [fact for fact in book.facts if fact.kind in {FactKind.AGREEMENT, FactKind.KEY}]
    assert {book.refused(fact) for fact in told} == {Refusal.NOT_NEXT, Refusal.KEY_KNOWN}
    assert book.state.agreements[TAX.id].standing is Standing.SUSPENDED


def test_forged(book: Book) -> None:
    """A fact that is unsigned, signed by a stranger, changed after signing, or made for another bus is refused."""
    book.life()
    good = raw(book, BOSS, "suspended", {})
    assert book.refused(replace(good, signature=None)) is Refusal.UNSIGNED
    assert book.refused(raw(book, STRANGER, "suspended", {})) is Refusal.KEY_UNKNOWN
    assert book.refused(replace(good, signing_key=POLICE.public.id)) is Refusal.SIGNATURE_FALSE
    assert book.refused(BOSS.sign(good, "another-bus")) is Refusal.SIGNATURE_FALSE
    for change in (
        {"action": "ended"},
        {"reason": "x"},
        {"at_ms": 1},
        {"subject_id": "y"},
        {"by": POLICE.public.holder},
    ):
        forged = replace(good, **change)
        assert book.refused(forged) is Refusal.SIGNATURE_FALSE
    assert book.refused(replace(good, signature=b"short")) is Refusal.SIGNATURE_FALSE
    assert book.refused(good) is None


def test_only_those_concerned(book: Book) -> None:
    """Another agency's office, and the operator where two sides must agree, are refused."""
    body = {"revision": revision(TAX), "document": TAX.model_dump(mode="json", by_alias=True)}
    for stranger in (BANK, OPERATOR):
        assert book.refused(raw(book, stranger, "drafted", body)) is Refusal.NOT_THEIRS
    book.sign(*drafting(TAX, DESK, "a wish"))
    for stranger in (BANK, OPERATOR):
        assert book.refused(raw(book, stranger, "approved", body)) is Refusal.NOT_THEIRS
    book.sign(approve(POLICE), approve(BOSS))
    assert book.refused(raw(book, BOSS, "activated", body)) is Refusal.NOT_THEIRS
    book.sign(activate())
    for action in ("suspended", "ended"):
        assert book.refused(raw(book, BANK, action, {})) is Refusal.NOT_THEIRS
        assert book.refused(raw(book, OPERATOR, action, {}, reason=" ")) is Refusal.NO_REASON
    assert book.refused(raw(book, OPERATOR, "suspended", {})) is None


def test_another_recipient_cannot_take_an_agreement_over(book: Book) -> None:
    """A text that names another recipient is refused while the agreement belongs to the first."""
    book.life()
    stolen = TAX.model_copy(update={"recipient": "commercial-bank"})
    body = {"revision": revision(stolen), "document": stolen.model_dump(mode="json", by_alias=True)}
    assert book.refused(raw(book, BANK, "drafted", body)) is Refusal.NOT_THEIRS


def test_self_approved(book: Book) -> None:
    """Nobody approves what they wrote, nor twice, not even with a second key that speaks for the other side."""
    body = {"revision": revision(TAX)}
    book.sign(*drafting(TAX, DESK, "a wish"))
    assert book.refused(raw(book, DESK, "approved", body)) is Refusal.OWN_TEXT
    book.sign(approve(BOSS))
    assert book.refused(raw(book, BOSS, "approved", body)) is Refusal.SIDE_APPROVED
    assert book.refused(raw(book, BOSS_AT_HOME, "approved", body)) is Refusal.PERSON_APPROVED
    assert book.refused(raw(book, OPERATOR, "activated", body)) is Refusal.NOT_APPROVED


def test_a_text_is_what_its_revision_names(book: Book) -> None:
    """A text under the name of another text is refused: approvals name a revision, and mean its text."""
    body = {"revision": revision(NARROWER), "document": TAX.model_dump(mode="json", by_alias=True)}
    assert book.refused(raw(book, DESK, "drafted", body)) is Refusal.REVISION_FALSE


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"topic": "t.agency.commercial-bank.person-to-tax.v1"},
        {"topic": "t.agency.tax-authority.other.v1"},
        {"accepted_revisions": [revision(TAX), "0123456789abcdef"]},
    ],
)
def test_terms_follow_from_the_state(book: Book, change: dict[str, Any]) -> None:
    """Even the operator cannot activate under another number, into another topic, or on consents to something else."""
    book.sign(*drafting(TAX, DESK, "a wish"), approve(POLICE), approve(BOSS))
    body = activate().body(book.state) | change
    assert book.refused(raw(book, OPERATOR, "activated", body)) is Refusal.TERMS_FALSE


def test_keys(book: Book) -> None:
    """An agency's keys come from that agency; a revoked key signs nothing more, and what it signed stays."""
    new = PublicKey("tax.new", "ab" * 32, "new", "tax-authority", Role.RECIPIENT)
    for signer in (OPERATOR, BANK):
        fact = signer.sign(Fact(FactKind.KEY, new.id, "added", new.body(), "", "because", NOW), book.state.bus)
        assert book.refused(fact) is Refusal.NOT_THEIRS
    book.life().sign(key_added(new, BOSS), key_revoked(BOSS.public.id, OPERATOR, "lost"))
    assert book.state.agreements[TAX.id].standing is Standing.ACTIVE
    assert book.refused(raw(book, BOSS, "suspended", {})) is Refusal.KEY_REVOKED
    for body in ({"public": "00"}, {}):
        with pytest.raises((ValueError, KeyError)):
            book.tell(DESK.sign(Fact(FactKind.KEY, "x", "added", body, "", "because", NOW), book.state.bus))


def test_unreadable_suspends_until_the_operator_resumes(book: Book) -> None:
    """A fact that cannot be read suspends what its key names, and only the operator lifts that."""
    book.life()
    book.state = book.state.apply_unreadable(f"agreement/{TAX.id}".encode(), book.state.offset)
    assert book.state.agreements[TAX.id].standing is Standing.SUSPENDED
    assert book.refused(raw(book, BOSS, "resumed", {})) is Refusal.NOT_HELD
    assert (
        book.sign(step(TAX.id, Action.RESUMED, OPERATOR, "seen")).state.agreements[TAX.id].standing is Standing.ACTIVE
    )


def test_a_flood_of_refused_facts_is_bounded(book: Book) -> None:
    """However many facts are refused, the newest are remembered, and all are counted."""
    for number in range(250):
        book.plain(FactKind.AGREEMENT, f"x-{number}", "activated", {})
    assert (book.state.refused_count, len(book.state.refused)) == (250, 100)
    assert book.state.refused[-1].fact.subject_id == "x-249"
