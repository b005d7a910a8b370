"""What the register tells everybody: each agreement that was ever in force, with its history. Pure.

No person is named. Whoever took a step is told by the office that the key spoke for, and by a fingerprint of the key,
for the id of a key may be a name. Contacts and examples are left out of the texts: they are no part of what is agreed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.moments import day_of
from bus.avro.datasets import Dataset, dataset_of
from bus.model.fact import Fact, FactKind
from bus.model.signature import PublicKey
from bus.register.counted import NOBODY
from bus.register.entries import Counted
from bus.register.life import Action
from bus.register.state import AgreementEntry, RegisterState, Standing

UNPUBLISHED: Mapping[str, Any] = {"contact": None, "examples": ()}
"""What a text is without when it is published."""

FINGERPRINT_DIGITS = 12
OVER, NOT_BEGUN = "over", "not-begun"
"""How an active agreement stands beyond its days: nothing flows, whatever the register says of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step in an agreement's life: when, which, by which office, and why.

    `agency` is empty for the operator, and for what happens by itself.
    """

    at_ms: int
    action: str
    role: str
    agency: str
    key: str
    reason: str
    revision: str
    anew: bool = False
    """Whether nobody of the agency vouches for the key: see `KeyEntry.anew`."""


@dataclass(frozen=True, slots=True)
class Published:
    """An agreement for everybody. `texts` are those that were in force, newest first, by revision."""

    entry: AgreementEntry
    document: AgreementDocument
    dataset: Dataset
    state: str
    steps: tuple[Step, ...]
    texts: Mapping[str, AgreementDocument]

    @property
    def id(self) -> str:
        """The agreement's name."""
        return self.document.id


def published(state: RegisterState, counted: Iterable[Counted], now_ms: int) -> tuple[Published, ...]:
    """Every agreement that is or was in force, by name, as it stands now; `counted` are all facts that did, in order.

    A text that never came into force is told to nobody, nor is a step about it.
    """
    steps: dict[str, list[Counted]] = {name: [] for name in sorted(state.agreements)}
    for one in counted:
        if one.fact.kind is FactKind.AGREEMENT and one.fact.subject_id in steps:
            steps[one.fact.subject_id].append(one)
    return tuple(_one(state, name, listed, now_ms) for name, listed in steps.items())


def public_text(document: AgreementDocument) -> dict[str, Any]:
    """A text as everybody may read it, in plain JSON values."""
    text = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {key: value for key, value in text.items() if key not in UNPUBLISHED}


def stands(entry: AgreementEntry, now_ms: int) -> str:
    """The standing; of an agreement that is active, whether its days are over or have not come."""
    valid, today = entry.document["valid"], str(day_of(now_ms, entry.document["timezone"]))
    if entry.standing is not Standing.ACTIVE or valid["from"] <= today <= (valid.get("until") or today):
        return entry.standing.value
    return NOT_BEGUN if today < valid["from"] else OVER


def fingerprint(key: PublicKey) -> str:
    """What tells one key from another, and nothing of its holder."""
    return sha256(bytes.fromhex(key.public)).hexdigest()[:FINGERPRINT_DIGITS]


def _one(state: RegisterState, name: str, counted: Sequence[Counted], now_ms: int) -> Published:
    entry = state.agreements[name]
    document = AgreementDocument.model_validate(entry.document)
    in_force = {one.in_force for one in counted}
    drafted = [one.fact.body["document"] for one in counted if one.fact.action == Action.DRAFTED]
    texts = {revision(text): text for text in map(AgreementDocument.model_validate, drafted)}
    return Published(
        entry,
        document,
        dataset_of(dict(state.datasets[document.dataset].schema), place=document.dataset),
        stands(entry, now_ms),
        tuple(_step(state, one.fact) for one in counted if str(one.fact.body.get("revision")) in in_force),
        {entry.revision: document} | {key: text for key, text in reversed(texts.items()) if key in in_force},
    )


def _step(state: RegisterState, fact: Fact) -> Step:
    known = state.keys.get(fact.signing_key or "")
    told = str(fact.body.get("revision", ""))
    if known is None:  # the day that a text was signed for has come: that needs nobody's word
        return Step(fact.at_ms, fact.action, NOBODY, "", "", fact.reason, told)
    key = known.key
    return Step(fact.at_ms, fact.action, key.role.value, key.agency, fingerprint(key), fact.reason, told, known.anew)
