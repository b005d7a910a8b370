"""Steps as they are wished for, and the signed facts that follow from them. Pure but for the time that is passed in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bus.agreements.document import AgreementDocument, revision
from bus.errors import StepRefused
from bus.model.fact import Fact, FactKind
from bus.model.signature import PublicKey, SigningKey
from bus.register.epochs import BEGUN, DESTROYED
from bus.register.life import Action, Life, Refusal
from bus.register.state import OF_OPERATOR, RegisterState, covered

Body = Callable[[RegisterState], dict[str, Any]]
"""What a fact says beyond its action, given everything that was said before it."""

OF_PROPOSAL = frozenset({Action.SUBMITTED, Action.APPROVED, Action.RETURNED, Action.ACTIVATED})


@dataclass(frozen=True, slots=True)
class Wish:
    """A fact that is to be signed with `key` and written."""

    kind: FactKind
    name: str
    action: str
    reason: str
    key: SigningKey
    body: Body


@dataclass(frozen=True, slots=True)
class Ground:
    """What a text stands on when it takes effect."""

    topic: str
    view_schema_id: int


def key_added(key: PublicKey, signer: SigningKey, reason: str = "the key's holder takes part") -> Wish:
    """A key for the register."""
    return Wish(FactKind.KEY, key.id, "added", reason, signer, lambda _state: key.body())


def key_revoked(key: str, signer: SigningKey, reason: str) -> Wish:
    """A key that counts no more from here on; what it signed before stays."""
    return Wish(FactKind.KEY, key, "revoked", reason, signer, lambda _state: {})


def enrolment(kind: FactKind, name: str, body: Mapping[str, Any], operator: SigningKey, reason: str) -> Wish:
    """An agency, a dataset or a connector that takes part from here on, or differently from here on."""
    return of_operator(kind, name, "enrolled", operator, reason, body)


def of_operator(  # noqa: PLR0913, PLR0917 - the parts of a fact
    kind: FactKind, name: str, action: str, operator: SigningKey, reason: str, body: Mapping[str, Any] | None = None
) -> Wish:
    """What the operator says of an agency, a dataset, a connector or a route."""
    return Wish(kind, name, action, reason, operator, lambda _state: dict(body or {}))


def epoch_begun(recipient: str, epoch: int, check: str, operator: SigningKey, reason: str) -> Wish:
    """From here on the recipient's pseudonyms are made with the salt of this epoch; `check` tells the right salt."""
    body = {"epoch": epoch, "check": check}
    return of_operator(FactKind.PSEUDONYMS, recipient, BEGUN, operator, reason, body)


def epoch_destroyed(recipient: str, epoch: int, operator: SigningKey, reason: str) -> Wish:
    """Nobody can make pseudonyms of this epoch any more, or find out whose they are."""
    return of_operator(FactKind.PSEUDONYMS, recipient, DESTROYED, operator, reason, {"epoch": epoch})


def drafting(document: AgreementDocument, author: SigningKey, reason: str) -> list[Wish]:
    """A text, proposed and handed to review by its author."""
    body = {"revision": revision(document), "document": document.model_dump(mode="json", by_alias=True)}
    drafted = Wish(FactKind.AGREEMENT, document.id, Action.DRAFTED, reason, author, lambda _state: dict(body))
    return [drafted, step(document.id, Action.SUBMITTED, author, reason)]


def step(agreement: str, action: Action, key: SigningKey, reason: str, *, read: str | None = None) -> Wish:
    """A step that says no more than its action, and of which text: `read`, or the one that is proposed or in force.

    Who approves names the revision that was read, or another text could take its place before the signature.
    """

    def body(state: RegisterState) -> dict[str, Any]:
        life = state.lives.get(agreement, Life())
        known = read if read is not None or life.proposal is None else life.proposal.revision
        return {"revision": known if action in OF_PROPOSAL else life.in_force}

    return Wish(FactKind.AGREEMENT, agreement, action, reason, key, body)


def activation(
    document: AgreementDocument, ground: Ground, consent_basis: str, operator: SigningKey, reason: str
) -> Wish:
    """The step that brings a text into force, with its terms."""

    def body(state: RegisterState) -> dict[str, Any]:
        ended = state.lives.get(document.id, Life()).ended
        known = None if ended else state.agreements.get(document.id)
        return {
            "number": state.next_number() if known is None else known.number,
            "revision": revision(document),
            "topic": ground.topic,
            "view_schema_id": ground.view_schema_id,
            "accepted_revisions": sorted(covered(document, known)),
            "consent_basis": consent_basis,
        }

    return Wish(FactKind.AGREEMENT, document.id, Action.ACTIVATED, reason, operator, body)


def signed_facts(wishes: Sequence[Wish], state: RegisterState, now_ms: int) -> list[Fact]:
    """The facts, each judged as the fold will judge it. Raises StepRefused for the first that would be refused."""
    facts = []
    for wish in wishes:
        fact = Fact(wish.kind, wish.name, wish.action, wish.body(state), "", wish.reason, now_ms)
        if wish.kind is FactKind.AGREEMENT:
            fact.body["step"] = state.lives.get(wish.name, Life()).steps + 1
        elif wish.kind in OF_OPERATOR:
            fact.body["step"] = state.told.get(fact.key().decode(), 0) + 1
        fact = wish.key.sign(fact, state.bus)
        before, state = state, state.apply(fact, state.offset)
        if state.refused_count > before.refused_count:
            raise refused_step(fact, state.refused[-1].refusal)
        facts.append(fact)
    return facts


def refused_step(fact: Fact, refusal: Refusal) -> StepRefused:
    """The error that tells a refused fact."""
    return StepRefused(agreement=fact.subject_id, action=fact.action, refusal=refusal.value)
