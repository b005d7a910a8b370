"""The fold of the register: pure, so that every process that reads the same facts knows the same bus.

What is not signed by somebody who may tell it, or was told before, is refused: it changes nothing, and is remembered
with the reason. Two facts need no signature: the first of all, for everything else is checked against it, and that the
day of a scheduled text has come, for that is checked against the broker's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.moments import midnight_ms
from bus.agreements.widening import widens
from bus.model.fact import Fact, FactKind
from bus.model.signature import PublicKey, Role
from bus.register.entries import AgreementEntry, DatasetEntry, Founding, Refused, Standing
from bus.register.epochs import Epoch, epoch_after
from bus.register.keys import KeyEntry, by_operator, first_keys, role_in, verified, with_key_fact
from bus.register.life import UNREADABLE, Act, Action, Life, NotAllowed, Refusal, advance
from bus.topics import Topics

Entry = TypeVar("Entry")

FOUNDED = "founded"
"""The first fact of all; no kind but the bus has an action of that name."""

BROKEN = (TypeError, AttributeError, IndexError, ArithmeticError, RecursionError)
"""What a body of another shape, with numbers beyond any, or nested beyond any depth comes to, but for ValueError."""

REFUSED_KEPT = 100
"""Refused facts that are remembered in full, so that whoever floods the register cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class RegisterState:
    """Everything known after the facts below `offset`. Immutable: `apply` returns the next one."""

    offset: int = 0
    founding: Founding | None = None
    agencies: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    datasets: Mapping[str, DatasetEntry] = field(default_factory=lambda: MappingProxyType({}))
    connectors: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    agreements: Mapping[str, AgreementEntry] = field(default_factory=lambda: MappingProxyType({}))
    """Those that were ever in force."""

    keys: Mapping[str, KeyEntry] = field(default_factory=lambda: MappingProxyType({}))
    epochs: Mapping[str, Epoch] = field(default_factory=lambda: MappingProxyType({}))
    """Of recipients' pseudonyms; a recipient that is missing is in its first one."""

    lives: Mapping[str, Life] = field(default_factory=lambda: MappingProxyType({}))
    coming: Mapping[str, AgreementEntry] = field(default_factory=lambda: MappingProxyType({}))
    """Scheduled texts as they will be in force; each beside a life whose proposal is scheduled."""

    told: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """`kind/id` → how often the operator said something of it, so that each of these facts counts once."""

    refused: tuple[Refused, ...] = ()
    """The facts that were ignored, with the reason; the newest of them, and `refused_count` counts them all."""

    refused_count: int = 0
    everything_suspended: bool = False
    paused: frozenset[str] = frozenset()
    """Agreements and datasets whose flows an operator holds up."""
    backfills: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Agreement → the newest fact that asks for all its records to be judged again."""

    def standing_of(self, entry: AgreementEntry) -> Standing:
        """Where an agreement stands for the router: suspended with everything, paused, or as its own steps say."""
        if entry.standing is not Standing.ACTIVE:
            return entry.standing
        if self.everything_suspended:
            return Standing.SUSPENDED
        held_up = not self.paused.isdisjoint((entry.agreement, entry.document["dataset"]))
        return Standing.PAUSED if held_up else Standing.ACTIVE

    @property
    def bus(self) -> str:
        """The id that signatures name."""
        return "" if self.founding is None else self.founding.id

    @property
    def root_check(self) -> str | None:
        """What tells the right root key; None where the bus was founded before facts told it."""
        return None if self.founding is None else self.founding.root_check

    def apply(self, fact: Fact, offset: int, appended_ms: int | None = None) -> "RegisterState":
        """The state after one more fact, at `offset`. What its teller may not tell is refused and changes nothing.

        `appended_ms` is when the broker took it; without it, when its teller says. Raises ValueError or KeyError for a
        broken one, and nothing else: it stays in the register, where it would halt every process at each start.
        """
        taken_ms = fact.at_ms if appended_ms is None else appended_ms
        try:
            if fact.kind is FactKind.AGREEMENT:
                after = _agreement(self, fact, offset, taken_ms)
            elif fact.kind in OF_OPERATOR and fact.action != FOUNDED:
                after = _of_operator(self, fact, offset)
            else:
                after = (_key if fact.kind is FactKind.KEY else _bus)(self, fact, offset)
            return replace(after, offset=offset + 1)
        except NotAllowed as error:
            refused = Refused(offset, fact, error.refusal)
            newest = (*self.refused, refused)[-REFUSED_KEPT:]
            return replace(self, refused=newest, refused_count=self.refused_count + 1, offset=offset + 1)
        except BROKEN as error:
            raise ValueError(f"the fact is broken ({type(error).__name__})") from error

    def apply_unreadable(self, key: bytes | None, offset: int) -> "RegisterState":
        """The state after a fact that cannot be read: what its key names is suspended, or everything."""
        kind, _, name = (key or b"").decode("utf-8", "replace").partition("/")
        if kind == FactKind.AGREEMENT and name in self.agreements:
            return replace(_held(self, name, offset), offset=offset + 1)
        if kind == FactKind.ROUTE and name:
            return replace(self, paused=self.paused | {name}, offset=offset + 1)
        return replace(self, everything_suspended=True, offset=offset + 1)

    def next_number(self) -> int:
        """The number for the next agreement."""
        return 1 + max((entry.number for entry in self.agreements.values()), default=0)


def _held(state: RegisterState, name: str, offset: int) -> RegisterState:
    life = state.lives.get(name, Life())
    life = replace(life, held_by=life.held_by | {UNREADABLE})
    entry = replace(state.agreements[name], standing=_standing(life), since_offset=offset)
    return replace(state, lives=_with(state.lives, name, life), agreements=_with(state.agreements, name, entry))


def _bus(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    if state.founding is not None:
        raise NotAllowed(Refusal.FOUNDED)
    body = fact.body
    founding = Founding(body["prefix"], int(body["lanes"]), body["group"], body.get("id", ""), body.get("root_check"))
    return replace(state, founding=founding, keys=MappingProxyType(first_keys(body, offset)))


def _of_operator(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    """What the operator alone says: signed, and in its turn, so that an older fact told again changes nothing."""
    by_operator(fact, state.keys, state.bus)
    name = fact.key().decode()
    if fact.body.get("step") != state.told.get(name, 0) + 1:
        raise NotAllowed(Refusal.NOT_NEXT)
    body = {key: value for key, value in fact.body.items() if key != "step"}
    after = OF_OPERATOR[fact.kind](state, replace(fact, body=body), offset)
    return replace(after, told=_with(after.told, name, fact.body["step"]))


def _agency(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    return replace(state, agencies=_with(state.agencies, fact.subject_id, MappingProxyType(fact.body)))


def _dataset(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    entry = DatasetEntry(fact.subject_id, fact.body["registry"], fact.body["schema"], int(fact.body["schema_id"]))
    return replace(state, datasets=_with(state.datasets, fact.subject_id, entry))


def _connector(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    if fact.action == "removed":
        return replace(state, connectors=_without(state.connectors, fact.subject_id))
    return replace(state, connectors=_with(state.connectors, fact.subject_id, MappingProxyType(fact.body)))


def _agreement(state: RegisterState, fact: Fact, offset: int, taken_ms: int) -> RegisterState:
    name = fact.subject_id
    before, entry = state.lives.get(name, Life()), state.agreements.get(name)
    by_itself = fact.action == Action.TOOK_EFFECT
    act = _day(before, fact, taken_ms) if by_itself else _act(state, fact, taken_ms)
    after = advance(before, act)
    if after is before:
        return state
    if fact.action == Action.DRAFTED:
        _same_flow(entry, fact.body["document"])
    coming = _without(state.coming, name)
    if fact.action == Action.ACTIVATED:
        terms = _terms(state, fact, before, offset)
        entry, coming = (entry, _with(coming, name, terms)) if after.proposal is not None else (terms, coming)
    elif by_itself:
        entry = replace(state.coming[name], since_offset=offset)
    elif after.proposal is not None and after.proposal.scheduled:
        coming = state.coming
    state = replace(state, lives=_with(state.lives, name, after), coming=coming)
    if entry is None:
        return state
    standing = _standing(after)
    if standing is not entry.standing:
        entry = replace(entry, standing=standing, since_offset=offset)
    return replace(state, agreements=_with(state.agreements, name, entry))


def _same_flow(known: AgreementEntry | None, text: Mapping[str, Any]) -> None:
    """Raises NotAllowed for a text about another dataset or recipient: who holds copies could not be found again."""
    if known is not None and any(known.document[key] != text[key] for key in ("dataset", "recipient")):
        raise NotAllowed(Refusal.OTHER_FLOW)


def _day(life: Life, fact: Fact, taken_ms: int) -> Act:
    """That the first day of a scheduled text has come, by the broker's clock. Nobody needs to sign what all can see."""
    due = life.proposal is not None and taken_ms >= first_day_ms(life.proposal.document)
    return Act(Action.TOOK_EFFECT, 0, fact.by, None, fact.reason, str(fact.body.get("revision", "")), due=due)


def first_day_ms(document: Mapping[str, Any]) -> int:
    """When a text's first day begins, in its time zone."""
    text = AgreementDocument.model_validate(document)
    return midnight_ms(text.valid.from_, text.timezone)


def _act(state: RegisterState, fact: Fact, taken_ms: int) -> Act:
    """The step that a fact tells of. Raises NotAllowed for an unknown one; ValueError or KeyError for a broken one."""
    signer = verified(fact, state.keys, state.bus)
    if fact.action not in list(Action):
        raise NotAllowed(Refusal.UNKNOWN_ACTION)
    action = Action(fact.action)
    texts = [AgreementDocument.model_validate(text) for text in _texts(state, fact, action)]
    document: dict[str, Any] = {}
    if action is Action.DRAFTED:
        [*_, text] = texts
        document = text.model_dump(mode="json", by_alias=True)  # the signer may have spelt it shorter
        if (text.id, revision(text)) != (fact.subject_id, fact.body["revision"]):
            raise NotAllowed(Refusal.REVISION_FALSE)
    roles = {_role(state, signer, text) for text in texts}
    return Act(
        action,
        int(fact.body["step"]),
        signer.holder,
        signer.role if roles <= {signer.role} else None,
        fact.reason,
        fact.body.get("revision", ""),
        document,
        due=all(taken_ms >= midnight_ms(text.valid.from_, text.timezone) for text in texts),
    )


def _texts(state: RegisterState, fact: Fact, action: Action) -> list[Mapping[str, Any]]:
    """The texts that a step is about: whoever takes it must have a part in each of them."""
    life = state.lives.get(fact.subject_id, Life())
    proposed = [] if life.proposal is None else [life.proposal.document]
    known = state.agreements.get(fact.subject_id)
    in_force = [] if known is None else [known.document]
    if action is Action.DRAFTED:
        return [*([] if life.ended else in_force), *proposed, fact.body["document"]]
    return in_force if action in {Action.SUSPENDED, Action.RESUMED, Action.ENDED} else proposed


def _role(state: RegisterState, signer: PublicKey, text: AgreementDocument) -> Role | None:
    dataset = state.datasets.get(text.dataset)
    return None if dataset is None else role_in(signer, text, dataset.registry, state.agencies)


def _terms(state: RegisterState, fact: Fact, life: Life, offset: int) -> AgreementEntry:
    """The entry of an activated text. Raises NotAllowed for terms that do not follow from text and state."""
    assert life.proposal is not None
    name, body = fact.subject_id, fact.body
    known = None if life.ended else state.agreements.get(name)
    document = AgreementDocument.model_validate(life.proposal.document)
    accepted = frozenset(body["accepted_revisions"])
    topics = Topics("" if state.founding is None else state.founding.prefix, 1)
    terms = (
        int(body["number"]) == (state.next_number() if known is None else known.number)
        and str(body["topic"]).startswith(f"{topics.agency_prefix(document.recipient)}{name}.v")
        and accepted <= covered(document, known)
    )
    if not terms:
        raise NotAllowed(Refusal.TERMS_FALSE)
    return AgreementEntry(
        agreement=name,
        number=int(body["number"]),
        revision=life.proposal.revision,
        document=life.proposal.document,
        topic=body["topic"],
        view_schema_id=int(body["view_schema_id"]),
        standing=Standing.ACTIVE,
        accepted_revisions=accepted,
        consent_basis=body["consent_basis"],
        since_offset=offset,
        no_wider=no_wider(document, known),
    )


def covered(document: AgreementDocument, known: AgreementEntry | None) -> frozenset[str]:
    """The revisions whose consents cover this text: one that is wider than what was in force needs consent anew."""
    own = frozenset({revision(document)})
    if known is None or widens(AgreementDocument.model_validate(known.document), document):
        return own
    return own | known.accepted_revisions


def no_wider(document: AgreementDocument, known: AgreementEntry | None) -> frozenset[str]:
    """The earlier revisions that released no more than this text: to go back to any of them would not widen it."""
    if known is None or widens(document, AgreementDocument.model_validate(known.document)):
        return frozenset()
    return known.no_wider | {known.revision}


def _standing(life: Life) -> Standing:
    if life.ended:
        return Standing.ENDED
    return Standing.SUSPENDED if life.held_by else Standing.ACTIVE


def _key(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    return replace(state, keys=MappingProxyType(with_key_fact(state.keys, fact, state.bus, offset)))


def _pseudonyms(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    after = epoch_after(state.epochs.get(fact.subject_id), fact, offset)
    return replace(state, epochs=_with(state.epochs, fact.subject_id, after))


def _route(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    """An operator's hold on a flow, or wish to have it judged again."""
    name = fact.subject_id
    if fact.action == "paused":
        return replace(state, paused=state.paused | {name})
    if fact.action == "resumed":
        return replace(state, paused=state.paused - {name})
    if fact.action == "backfill-asked":
        return replace(state, backfills=_with(state.backfills, name, offset))
    raise ValueError(f"a route cannot be {fact.action}")


def _resumed(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    """The operator has looked at what could not be read, and lets everything go on that stands by itself."""
    del offset
    if fact.action != "resumed":
        raise ValueError(f"a bus cannot be {fact.action}")
    return replace(state, everything_suspended=False)


OF_OPERATOR = {
    FactKind.BUS: _resumed,
    FactKind.AGENCY: _agency,
    FactKind.DATASET: _dataset,
    FactKind.CONNECTOR: _connector,
    FactKind.ROUTE: _route,
    FactKind.PSEUDONYMS: _pseudonyms,
}
"""The kinds of which the operator alone tells, each fact in its turn."""


def _with(entries: Mapping[str, Entry], name: str, entry: Entry) -> Mapping[str, Entry]:
    return MappingProxyType({**entries, name: entry})


def _without(entries: Mapping[str, Entry], name: str) -> Mapping[str, Entry]:
    return MappingProxyType({key: entry for key, entry in entries.items() if key != name})


__all__ = [
    "OF_OPERATOR",
    "REFUSED_KEPT",
    "AgreementEntry",
    "DatasetEntry",
    "Founding",
    "Refused",
    "RegisterState",
    "Standing",
    "covered",
    "first_day_ms",
    "no_wider",
]
