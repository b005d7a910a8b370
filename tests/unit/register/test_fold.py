"""The register's fold against people who write facts that they may not tell."""

from dataclasses import replace
from typing import Any

import pytest

from bus.agreements.document import revision
from bus.errors import StepRefused
from bus.model.fact import Fact, FactKind
from bus.model.signature import PublicKey, Role
from bus.register.life import Action, Proposal, Refusal, Stage
from bus.register.state import Standing
from bus.register.steps import drafting, key_added, key_revoked, signed_facts, step
from tests.unit.agreements.ground import DATASETS
from tests.unit.register.book import (
    BANK,
    BOSS,
    BOSS_AT_HOME,
    DESK,
    NARROWER,
    NOW,
    OPERATOR,
    POLICE,
    STRANGER,
    TAX,
    Book,
    activate,
    approve,
    enrol,
    key,
    peopled,
    raw,
)


@pytest.fixture
def book() -> Book:
    return peopled()


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
    assert entry.no_wider == frozenset()
    wider = book.life().state.agreements[TAX.id]
    assert wider.no_wider == {revision(NARROWER)}
    assert wider.accepted_revisions == {revision(TAX)}


def test_a_wider_text_cannot_count_on_what_people_consented_to(book: Book) -> None:
    """Not even the operator brings a text into force on consents to a narrower one."""
    book.life(NARROWER).sign(*drafting(TAX, DESK, "more"), approve(POLICE), approve(BOSS))
    terms = signed_facts([activate(TAX)], book.state, NOW)[0].body
    both = sorted({revision(TAX), revision(NARROWER)})
    assert book.refused(raw(book, OPERATOR, "activated", {**terms, "accepted_revisions": both})) is Refusal.TERMS_FALSE


def test_a_text_that_was_returned(book: Book) -> None:
    """Handed in again it is in review as if for the first time: no grounds, no approvals; either side may be first."""

    def proposed() -> Proposal:
        proposal = book.state.lives[TAX.id].proposal
        assert proposal is not None
        return proposal

    book.sign(*drafting(TAX, DESK, "a wish"), approve(BOSS))
    assert proposed().stage is Stage.APPROVED_BY_RECIPIENT
    book.sign(step(TAX.id, Action.RETURNED, POLICE, "too much"))
    assert (proposed().stage, proposed().grounds) == (Stage.RETURNED, "too much")
    book.sign(step(TAX.id, Action.SUBMITTED, DESK, "all the same"))
    assert (proposed().stage, proposed().grounds, proposed().approvals) == (Stage.IN_REVIEW, None, {})


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
    drafted, submitted = drafting(TAX, DESK, "a wish")
    book.sign(drafted)
    for stranger in (BANK, OPERATOR):
        assert book.refused(raw(book, stranger, "submitted", body)) is Refusal.NOT_THEIRS
    book.sign(submitted)
    for stranger in (BANK, OPERATOR):
        assert book.refused(raw(book, stranger, "approved", body)) is Refusal.NOT_THEIRS
    book.sign(approve(POLICE), approve(BOSS))
    assert book.refused(raw(book, BOSS, "activated", body)) is Refusal.NOT_THEIRS
    book.sign(activate())
    for action in ("suspended", "ended"):
        assert book.refused(raw(book, BANK, action, {})) is Refusal.NOT_THEIRS
        assert book.refused(raw(book, OPERATOR, action, {}, reason=" ")) is Refusal.NO_REASON
    assert book.refused(raw(book, OPERATOR, "suspended", {})) is None


def test_who_may_lift_a_suspension(book: Book) -> None:
    """The office that holds an agreement up, and none that has no part in it, lets it go on."""
    book.life().sign(step(TAX.id, Action.SUSPENDED, BOSS, "a leak"))
    assert book.refused(raw(book, BANK, "resumed", {})) is Refusal.NOT_THEIRS
    assert book.refused(raw(book, BOSS, "resumed", {})) is None
    assert book.state.agreements[TAX.id].standing is Standing.ACTIVE


def test_a_step_that_nobody_knows(book: Book) -> None:
    """A signed step of no known kind, or about no known dataset, is refused: an office stops nothing by nonsense."""
    book.life()
    assert book.refused(raw(book, BOSS, "blessed", {})) is Refusal.UNKNOWN_ACTION
    stray = TAX.model_copy(update={"dataset": "nobody.knows"})
    drafted = {"revision": revision(stray), "document": stray.model_dump(mode="json", by_alias=True)}
    assert book.refused(raw(book, DESK, "drafted", drafted)) is Refusal.NOT_THEIRS
    closing = OPERATOR.sign(
        Fact(FactKind.BUS, "bus", "closed", {"step": 1}, "operator", "because", NOW), book.state.bus
    )
    with pytest.raises(ValueError, match="cannot be closed"):
        book.state.apply(closing, book.state.offset)
    assert book.state.agreements[TAX.id].standing is Standing.ACTIVE


def test_another_recipient_cannot_take_an_agreement_over(book: Book) -> None:
    """A text that names another recipient is refused while the agreement belongs to the first."""
    book.life()
    stolen = TAX.model_copy(update={"recipient": "commercial-bank"})
    body = {"revision": revision(stolen), "document": stolen.model_dump(mode="json", by_alias=True)}
    assert book.refused(raw(book, BANK, "drafted", body)) is Refusal.NOT_THEIRS


@pytest.mark.parametrize("other", [{"recipient": "commercial-bank"}, {"dataset": "population.visitor"}])
@pytest.mark.parametrize("ended", [False, True])
def test_an_agreement_keeps_what_it_is_about(book: Book, other: dict[str, str], *, ended: bool) -> None:
    """Not even who speaks for the registry in both texts makes an agreement one about another dataset or recipient."""
    book.life()
    if ended:
        book.sign(step(TAX.id, Action.ENDED, BOSS, "it is over"))
    visitors = {**DATASETS[TAX.dataset].schema, "dataset": "visitor"}
    book.sign(
        enrol(FactKind.DATASET, "population.visitor", {"registry": "population", "schema": visitors, "schema_id": 2})
    )
    moved = TAX.model_copy(update=other)
    body = {"revision": revision(moved), "document": moved.model_dump(mode="json", by_alias=True)}
    assert book.refused(raw(book, POLICE, "drafted", body)) is Refusal.OTHER_FLOW


def test_self_approved(book: Book) -> None:
    """Nobody approves what they wrote, nor twice, not even with a second key that speaks for the other side."""
    body = {"revision": revision(TAX)}
    book.sign(*drafting(TAX, DESK, "a wish"))
    assert book.refused(raw(book, DESK, "approved", body)) is Refusal.OWN_TEXT
    book.sign(approve(BOSS))
    assert book.refused(raw(book, BOSS, "approved", body)) is Refusal.SIDE_APPROVED
    assert book.refused(raw(book, BOSS_AT_HOME, "approved", body)) is Refusal.PERSON_APPROVED
    assert book.refused(raw(book, OPERATOR, "activated", body)) is Refusal.NOT_APPROVED


def test_a_text_in_another_spelling(book: Book) -> None:
    """A text that its author's tool spelt as people do, defaults left out, is in force as any other."""
    shorter = TAX.model_dump(mode="json", exclude_defaults=True)
    shorter["purpose"] = {"code": TAX.purpose.code, **TAX.purpose.text}
    shorter["fields"] = [rule["name"] if rule.keys() == {"name"} else rule for rule in shorter["fields"]]
    book.tell(raw(book, DESK, "drafted", {"revision": revision(TAX), "document": shorter}))
    book.sign(step(TAX.id, Action.SUBMITTED, DESK, "a wish"), approve(POLICE), approve(BOSS), activate())
    assert book.state.agreements[TAX.id].document == TAX.model_dump(mode="json")


def test_what_was_read_is_what_is_approved(book: Book) -> None:
    """A text that takes the place of the one that was read, before the signature, is not approved by it."""
    book.sign(*drafting(TAX, DESK, "a wish"))
    read = step(TAX.id, Action.APPROVED, POLICE, "it is right", read=revision(TAX))
    book.sign(*drafting(NARROWER, DESK, "another wish"))
    with pytest.raises(StepRefused):
        book.sign(read)
    book.sign(*drafting(TAX, DESK, "the first one after all"), read)
    assert book.state.lives[TAX.id].proposal.stage is Stage.APPROVED_BY_REGISTRY  # type: ignore[union-attr]  # there is


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


OPERATORS_WORDS: dict[FactKind, tuple[str, dict[str, Any]]] = {
    FactKind.AGENCY: ("enrolled", {"name": {"en": "Somebody"}}),
    FactKind.DATASET: ("enrolled", {"registry": "land", "schema": {}, "schema_id": 9}),
    FactKind.CONNECTOR: ("enrolled", {"registry": "land"}),
    FactKind.ROUTE: ("paused", {}),
    FactKind.PSEUDONYMS: ("begun", {"epoch": 1, "check": "abc"}),
}
"""What the operator says, by kind: an action and a body."""

SECOND: dict[FactKind, dict[str, Any]] = {FactKind.PSEUDONYMS: {"epoch": 2}}
"""What must be otherwise the second time, where saying the same again makes no sense."""


def test_the_table_of_the_operators_words_is_whole() -> None:
    """Each kind of fact is tried below, but for keys, agreements and the founding, which have tests of their own."""
    assert set(FactKind) - {FactKind.KEY, FactKind.AGREEMENT, FactKind.BUS} == OPERATORS_WORDS.keys()


@pytest.mark.parametrize("kind", list(OPERATORS_WORDS))
def test_forged_and_replayed_words_of_the_operator(book: Book, kind: FactKind) -> None:
    """What nobody, a stranger or an agency signs in the operator's place is refused; so is what was told before."""
    action, body = OPERATORS_WORDS[kind]
    plain = Fact(kind, "one", action, {**body, "step": 1}, "operator", "because", NOW)
    bus = book.state.bus
    assert book.refused(plain) is Refusal.UNSIGNED
    assert book.refused(replace(plain, signature=b"\1" * 64, signing_key="operator")) is Refusal.SIGNATURE_FALSE
    assert book.refused(STRANGER.sign(plain, bus)) is Refusal.KEY_UNKNOWN
    for office in (DESK, POLICE):
        assert book.refused(office.sign(plain, bus)) is Refusal.NOT_OPERATOR
    assert book.refused(OPERATOR.sign(plain, "another-bus")) is Refusal.SIGNATURE_FALSE
    good = OPERATOR.sign(plain, bus)
    changes: list[dict[str, Any]] = [{"subject_id": "two"}, {"action": "removed"}, {"body": {**body, "step": 2}}]
    for change in changes:
        assert book.refused(replace(good, **change)) is Refusal.SIGNATURE_FALSE
    assert book.refused(good) is None
    assert book.refused(good) is Refusal.NOT_NEXT
    assert book.refused(OPERATOR.sign(replace(plain, body=dict(body)), bus)) is Refusal.NOT_NEXT
    second = OPERATOR.sign(replace(plain, body={**body, **SECOND.get(kind, {}), "step": 2}), bus)
    assert book.refused(second) is None
    assert book.refused(good) is Refusal.NOT_NEXT


def test_an_unsigned_fact_is_refused_before_its_body_is_read(book: Book) -> None:
    """Nonsense from somebody without a key stops nothing; signed nonsense is broken, and stops what it names."""
    nonsense = Fact(FactKind.DATASET, "a.b", "enrolled", {"step": 1}, "operator", "because", NOW)
    assert book.refused(nonsense) is Refusal.UNSIGNED
    with pytest.raises(KeyError):
        book.tell(OPERATOR.sign(nonsense, book.state.bus))


def test_everything_goes_on_by_the_operators_word(book: Book) -> None:
    """What an unreadable fact suspended as a whole is lifted by the operator's signature, and by nothing else."""
    book.life()
    book.state = book.state.apply_unreadable(b"x", book.state.offset)
    entry = book.state.agreements[TAX.id]
    assert book.state.standing_of(entry) is Standing.SUSPENDED
    plain = Fact(FactKind.BUS, "bus", "resumed", {"step": 1}, "operator", "because", NOW)
    assert book.refused(plain) is Refusal.UNSIGNED
    assert book.refused(POLICE.sign(plain, book.state.bus)) is Refusal.NOT_OPERATOR
    good = OPERATOR.sign(plain, book.state.bus)
    assert book.refused(good) is None
    assert book.state.standing_of(entry) is Standing.ACTIVE
    book.state = book.state.apply_unreadable(b"x", book.state.offset)
    assert book.refused(good) is Refusal.NOT_NEXT
    assert book.state.everything_suspended


def test_a_second_founding(book: Book) -> None:
    """Nobody founds a bus anew, whatever keys they bring: the first fact is what all others are checked against."""
    body = {"prefix": "t.", "lanes": 16, "group": "g", "id": "mine", "keys": [STRANGER.public.body()]}
    again = Fact(FactKind.BUS, "bus", "founded", body, "operator", "because", NOW)
    assert book.refused(again) is Refusal.FOUNDED
    assert book.refused(OPERATOR.sign(again, book.state.bus)) is Refusal.FOUNDED


def test_the_operator_changes_keys(book: Book) -> None:
    """A new key of the operator's counts beside the old one, and alone once that is revoked; the last one stays."""
    lost = key_revoked(OPERATOR.public.id, OPERATOR, "lost")
    with pytest.raises(StepRefused) as caught:
        book.sign(lost)
    assert caught.value.details["refusal"] == Refusal.LAST_KEY.value
    new = key("operator.2", "", Role.OPERATOR, seed=7, holder="operator")
    book.sign(key_added(new.public, OPERATOR), key_revoked(OPERATOR.public.id, new, "lost"))
    pause = Fact(FactKind.ROUTE, TAX.id, "paused", {"step": 1}, "", "because", NOW)
    assert book.refused(OPERATOR.sign(pause, book.state.bus)) is Refusal.KEY_REVOKED
    assert book.refused(new.sign(pause, book.state.bus)) is None


# --- taking over on a day ---------------------------------------------------------------------------------------------


def test_a_flood_of_refused_facts_is_bounded(book: Book) -> None:
    """However many facts are refused, the newest are remembered, and all are counted."""
    for number in range(250):
        book.plain(FactKind.AGREEMENT, f"x-{number}", "activated", {})
    assert (book.state.refused_count, len(book.state.refused)) == (250, 100)
    assert book.state.refused[-1].fact.subject_id == "x-249"
