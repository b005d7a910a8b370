"""Keeps the register: founds a bus and enrols who and what takes part, with the topics, users and rights that follow.

Everything here may be called again: what is there already stays, what differs becomes a new fact.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus import clock
from bus.agreements.agencies import Agencies
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.view import view_schema
from bus.agreements.widening import widens
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.datasets import Dataset
from bus.avro.own import OwnMessages
from bus.errors import BusNotFounded
from bus.kafka import rights
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.rights import Right
from bus.model.fact import Fact, FactKind
from bus.platform.home import Home, write_whole
from bus.register.log import Register, RegisterWriter
from bus.register.state import AgreementEntry, RegisterState, Standing
from bus.topics import Topics, TopicSpec

FIRST_MAJOR = 1


@dataclass(frozen=True, slots=True)
class ConnectorEntry:
    """A connector to be enrolled: its registry, and how it reaches its source. `settings` may hold secrets."""

    name: str
    registry: str
    settings: Mapping[str, str]


class Grounds:
    """What a bus stands on in Kafka: its first topics, the users of its stages and their rights."""

    def __init__(self, access: KafkaAccess, topics: Topics, home: Home) -> None:
        self.admin = Admin(access)
        self.topics = topics
        self._access = access
        self._home = home

    async def lay(self) -> None:
        """Make the founding topics, and the users of the stages with their rights. Raises TopicDrifted."""
        await self.admin.ensure_topics(self.topics.founding())
        for user, user_rights in (
            (rights.ROUTER, rights.router_rights(self.topics)),
            (rights.SCHEMA_REGISTRY, rights.schema_registry_rights(self.topics)),
            (rights.CITIZEN, rights.citizen_rights(self.topics)),
            (rights.OPERATOR, rights.operator_rights(self.topics)),
        ):
            await self.admit(user, user_rights)

    async def admit(self, user: str, user_rights: Iterable[Right]) -> None:
        """Give a user a password (kept in the home) and rights; nothing on a broker that knows no identities."""
        if self._access.has_identity:
            await self.admin.ensure_user(user, self._home.secret(f"users/{user}"))
            await self.admin.ensure_rights(user_rights)


class Registrar:
    """Writes facts, as an administrator. `start` before anything else."""

    def __init__(
        self, grounds: Grounds, access: KafkaAccess, home: Home, client: SchemaRegistryClient, by: str
    ) -> None:
        self._grounds = grounds
        self._topics = grounds.topics
        self._home = home
        self._client = client
        self._by = by
        self._messages = OwnMessages(client)
        self._writer = RegisterWriter(access, grounds.topics, self._messages)
        self._register = Register(access, grounds.topics, self._messages)

    async def start(self) -> RegisterState:
        """Register the bus's own schemas, and found the bus if nobody has. Raises BusMismatch."""
        await self._messages.prepare()
        await self._writer.start()
        try:
            return await self._register.start()
        except BusNotFounded:
            founding = {
                "prefix": self._topics.prefix,
                "lanes": self._topics.lanes,
                "group": rights.router_group(self._topics),
            }
            await self._write(FactKind.BUS, "bus", "founded", founding, "the bus was founded")
            return await self._register.newest()

    async def stop(self) -> None:
        """Close the connections."""
        await self._writer.stop()
        await self._register.stop()

    async def state(self) -> RegisterState:
        """The register as it stands now."""
        return await self._register.newest()

    async def enrol_agencies(self, agencies: Agencies) -> int:
        """Agencies, each with a Kafka user that may read its own topics; returns how many were new or changed."""
        changed = 0
        known = (await self.state()).agencies
        for agency in agencies.agencies:
            body = agency.model_dump(mode="json", exclude={"id"})
            await self._grounds.admit(rights.agency_user(agency.id), rights.agency_rights(self._topics, agency.id))
            if dict(known.get(agency.id, {})) != body:
                await self._write(FactKind.AGENCY, agency.id, "enrolled", body, "the agency joined the bus")
                changed += 1
        return changed

    async def enrol_datasets(self, datasets: Iterable[Dataset]) -> int:
        """Datasets, each with its schema and its topic; returns how many were new or changed."""
        changed = 0
        listed = list(datasets)
        await self._grounds.admin.ensure_topics([self._topics.changes_spec(dataset.name) for dataset in listed])
        known = (await self.state()).datasets
        for dataset in listed:
            subject = value_subject(f"changes.{dataset.name}")
            schema_id = await self._client.register(subject, dataset.schema)
            if dataset.name not in known or known[dataset.name].schema_id != schema_id:
                body = {"registry": dataset.registry, "schema": dataset.schema, "schema_id": schema_id}
                await self._write(FactKind.DATASET, dataset.name, "enrolled", body, "the dataset joined the bus")
                changed += 1
        return changed

    async def enrol_connectors(self, connectors: Iterable[ConnectorEntry]) -> int:
        """Connectors, each with a Kafka user for its registry; their settings stay in the home, mode 0600."""
        changed = 0
        known = (await self.state()).connectors
        for connector in connectors:
            keep_settings(self._home, connector)
            user_rights = rights.connector_rights(self._topics, connector.name, connector.registry)
            await self._grounds.admit(rights.connector_user(connector.name), user_rights)
            body = {"registry": connector.registry}
            if dict(known.get(connector.name, {})) != body:
                await self._write(FactKind.CONNECTOR, connector.name, "enrolled", body, "the connector joined the bus")
                changed += 1
        return changed

    async def activate(
        self, documents: Iterable[AgreementDocument], datasets: Mapping[str, Dataset], consent_basis: str
    ) -> list[str]:
        """Agreements, each with its view's schema and its topic; returns the names that were new or changed."""
        state = await self.state()
        changed = [document for document in documents if _differs(document, state.agreements.get(document.id))]
        await self._grounds.admin.ensure_topics([self._agency_spec(document) for document in changed])
        for document in changed:
            await self._activate(document, datasets[document.dataset], consent_basis, await self.state())
        return [document.id for document in changed]

    async def step(self, agreement: str, action: str, reason: str) -> int:
        """Suspend, resume or end an agreement (`suspended`, `resumed`, `ended`); returns the offset of the fact."""
        return await self._write(FactKind.AGREEMENT, agreement, action, {}, reason)

    def _agency_spec(self, document: AgreementDocument) -> TopicSpec:
        topic = self._topics.agency(document.recipient, document.id, FIRST_MAJOR)
        return self._topics.agency_spec(topic, pseudonymous=document.pseudonymous)

    async def _activate(
        self, document: AgreementDocument, dataset: Dataset, consent_basis: str, state: RegisterState
    ) -> None:
        known = state.agreements.get(document.id)
        if known is not None and known.standing is Standing.ENDED:
            known = None  # what was ended begins anew, with a new number
        topic = self._agency_spec(document).name
        subject = value_subject(topic.removeprefix(self._topics.prefix))
        body = {
            "number": state.next_number() if known is None else known.number,
            "revision": revision(document),
            "document": document.model_dump(mode="json", by_alias=True),
            "topic": topic,
            "view_schema_id": await self._client.register(subject, view_schema(document, dataset)),
            "accepted_revisions": sorted(_accepted(document, known)),
            "consent_basis": consent_basis,
            "epoch": 1,
        }
        await self._write(FactKind.AGREEMENT, document.id, "activated", body, "the agreement took effect")

    async def _write(self, kind: FactKind, name: str, action: str, body: dict[str, Any], reason: str) -> int:
        fact = Fact(kind, name, action, body, self._by, reason, clock.now_ms())
        return (await self._writer.append(fact))[0]


def _differs(document: AgreementDocument, known: AgreementEntry | None) -> bool:
    return known is None or (known.revision, known.standing) != (revision(document), Standing.ACTIVE)


def _accepted(document: AgreementDocument, known: AgreementEntry | None) -> frozenset[str]:
    """The revisions whose consents cover this one: a wider text needs consent anew."""
    own = frozenset({revision(document)})
    if known is None or widens(AgreementDocument.model_validate(known.document), document):
        return own
    return own | known.accepted_revisions


def settings_file(home: Home, connector: str) -> Path:
    """Where a connector's settings lie."""
    return home.path / "connectors" / f"{connector}.json"


def keep_settings(home: Home, connector: ConnectorEntry) -> None:
    """Write down how a connector reaches its source, for its own process alone (mode 0600)."""
    file = settings_file(home, connector.name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, json.dumps(dict(connector.settings), indent=2))
