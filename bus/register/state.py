"""The fold of the register: pure, so that every process that reads the same facts knows the same bus."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from bus.model.fact import Fact, FactKind

Entry = TypeVar("Entry")


class Standing(StrEnum):
    """Where an agreement stands in its life, as far as releasing goes."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Founding:
    """What can never change in place."""

    prefix: str
    lanes: int
    group: str


@dataclass(frozen=True, slots=True)
class AgreementEntry:
    """An agreement as the register knows it. `document` is its plain JSON; `number` is never given twice."""

    agreement: str
    number: int
    revision: str
    document: Mapping[str, Any]
    topic: str
    view_schema_id: int
    standing: Standing
    accepted_revisions: frozenset[str]
    consent_basis: str
    epoch: int
    since_offset: int


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A dataset: its registry, and the schema that it was registered with."""

    dataset: str
    registry: str
    schema: Mapping[str, Any]
    schema_id: int


@dataclass(frozen=True, slots=True)
class RegisterState:
    """Everything known after the facts below `offset`. Immutable: `apply` returns the next one."""

    offset: int = 0
    founding: Founding | None = None
    agencies: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    datasets: Mapping[str, DatasetEntry] = field(default_factory=lambda: MappingProxyType({}))
    connectors: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    agreements: Mapping[str, AgreementEntry] = field(default_factory=lambda: MappingProxyType({}))
    everything_suspended: bool = False

    def apply(self, fact: Fact, offset: int) -> "RegisterState":
        """The state after one more fact, which lies at `offset`. Raises ValueError or KeyError for a broken one."""
        return replace(_APPLY[fact.kind](self, fact, offset), offset=offset + 1)

    def apply_unreadable(self, key: bytes | None, offset: int) -> "RegisterState":
        """The state after a fact that cannot be read: what its key names is suspended, or everything."""
        kind, _, name = (key or b"").decode("utf-8", "replace").partition("/")
        if kind == FactKind.AGREEMENT and name in self.agreements:
            suspended = replace(self.agreements[name], standing=Standing.SUSPENDED, since_offset=offset)
            return replace(self, agreements=_with(self.agreements, name, suspended), offset=offset + 1)
        return replace(self, everything_suspended=True, offset=offset + 1)

    def next_number(self) -> int:
        """The number for the next agreement."""
        return 1 + max((entry.number for entry in self.agreements.values()), default=0)


def _bus(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    if state.founding is not None:
        return state  # founded once; a second founding changes nothing
    return replace(state, founding=Founding(fact.body["prefix"], int(fact.body["lanes"]), fact.body["group"]))


def _agency(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    return replace(state, agencies=_with(state.agencies, fact.subject_id, MappingProxyType(fact.body)))


def _dataset(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    entry = DatasetEntry(fact.subject_id, fact.body["registry"], fact.body["schema"], int(fact.body["schema_id"]))
    return replace(state, datasets=_with(state.datasets, fact.subject_id, entry))


def _connector(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del offset
    return replace(state, connectors=_with(state.connectors, fact.subject_id, MappingProxyType(fact.body)))


def _agreement(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    name = fact.subject_id
    if fact.action == "activated":
        entry = AgreementEntry(
            agreement=name,
            number=int(fact.body["number"]),
            revision=fact.body["revision"],
            document=fact.body["document"],
            topic=fact.body["topic"],
            view_schema_id=int(fact.body["view_schema_id"]),
            standing=Standing.ACTIVE,
            accepted_revisions=frozenset(fact.body["accepted_revisions"]),
            consent_basis=fact.body["consent_basis"],
            epoch=int(fact.body.get("epoch", 1)),
            since_offset=offset,
        )
    else:
        standing = {"suspended": Standing.SUSPENDED, "resumed": Standing.ACTIVE, "ended": Standing.ENDED}[fact.action]
        before = state.agreements[name]
        if before.standing is Standing.ENDED:
            return state  # what is ended stays ended; a new activation gets a new number
        entry = replace(before, standing=standing, since_offset=offset)
    return replace(state, agreements=_with(state.agreements, name, entry))


def _nothing_yet(state: RegisterState, fact: Fact, offset: int) -> RegisterState:
    del fact, offset
    return state


_APPLY = {
    FactKind.BUS: _bus,
    FactKind.AGENCY: _agency,
    FactKind.DATASET: _dataset,
    FactKind.CONNECTOR: _connector,
    FactKind.AGREEMENT: _agreement,
    FactKind.ROUTE: _nothing_yet,
    FactKind.KEY: _nothing_yet,
}


def _with(entries: Mapping[str, Entry], name: str, entry: Entry) -> Mapping[str, Entry]:
    return MappingProxyType({**entries, name: entry})
