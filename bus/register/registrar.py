"""Keeps the register: founds a bus and enrols who and what takes part, with the topics, users and rights that follow.

Everything here may be called again: what is there already stays, what differs becomes a new fact.
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bus import clock
from bus.agreements.agencies import Agencies
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.view import view_schema
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.datasets import Dataset, dataset_of
from bus.avro.own import OwnMessages
from bus.errors import BusLost, BusNotFounded, KeyMissing, NotFound, SchemaRefused, StepRefused
from bus.kafka import rights
from bus.kafka.access import KafkaAccess
from bus.model.fact import Fact, FactKind
from bus.model.signature import SigningKey
from bus.platform.home import Home, write_whole
from bus.platform.salts import Salts
from bus.register.entries import Counted
from bus.register.grounds import Grounds, topics_of
from bus.register.impact import impact, refuse_broken
from bus.register.keys import operators
from bus.register.life import Action, Life, Refusal, Stage
from bus.register.log import Register, RegisterWriter
from bus.register.offices import OPERATOR, held_key, offices_of, operator_key
from bus.register.readers import require_followed, why_not_next
from bus.register.state import RegisterState
from bus.register.steps import (
    Ground,
    Wish,
    activation,
    drafting,
    enrolment,
    epoch_begun,
    epoch_destroyed,
    key_added,
    of_operator,
    refused_step,
    signed_facts,
    step,
)
from bus.topics import TopicSpec


@dataclass(frozen=True, slots=True)
class ConnectorEntry:
    """A connector to be enrolled: its registry, and how it reaches its source. `settings` may hold secrets."""

    name: str
    registry: str
    settings: Mapping[str, str]


class Registrar:
    """Writes facts, as an administrator. `start` before anything else."""

    def __init__(
        self, grounds: Grounds, access: KafkaAccess, home: Home, client: SchemaRegistryClient, by: str
    ) -> None:
        self._grounds = grounds
        self.topics = grounds.topics
        self.home = home
        self._client = client
        self._by = by
        self._bootstrap = access.bootstrap
        self._messages = OwnMessages(client)
        self._writer = RegisterWriter(access, grounds.topics, self._messages)
        self._register = Register(access, grounds.topics, self._messages)

    async def start(self) -> RegisterState:
        """Register the bus's own schemas, and found the bus if nobody has. Raises BusMismatch, BusLost."""
        await self._messages.prepare()
        await self._writer.start()
        try:
            state = await self._register.start()
        except BusNotFounded:
            state = await self._found()
        self.home.note_founded(self._bootstrap, self.topics.prefix, state.bus)
        return state

    async def _found(self) -> RegisterState:
        prefix = self.topics.prefix
        if self.home.has_founded(self._bootstrap, prefix):
            told = f" of prefix {prefix}" if prefix else ""
            raise BusLost(bootstrap=self._bootstrap, prefix=told, file=self.home.founded)
        self.home.begin_root_key()
        founding = {
            "prefix": self.topics.prefix,
            "lanes": self.topics.lanes,
            "group": rights.router_group(self.topics),
            "id": secrets.token_hex(8),
            "keys": [operator_key(self.home).public.body()],
            "root_check": Salts(self.home).keyring().root_check(),
        }
        reason = "the bus was founded"
        fact = Fact(FactKind.BUS, "bus", "founded", founding, self._by, reason, clock.now_ms())
        await self._writer.append(fact)
        return await self._register.newest()

    async def lay_again(self) -> None:
        """Make those topics anew that the register names and somebody deleted. Raises TopicDrifted."""
        state, admin = await self.state(), self._grounds.admin
        of_connectors = [spec for name in state.connectors for spec in self.topics.connector_specs(name)]
        of_lanes = topics_of(self.topics, state, await admin.topics())
        await admin.ensure_topics([*of_lanes, *of_connectors])

    async def stop(self) -> None:
        """Close the connections."""
        await self._writer.stop()
        await self._register.stop()

    async def state(self) -> RegisterState:
        """The register as it stands now."""
        return await self._register.newest()

    @property
    def counted(self) -> tuple[Counted, ...]:
        """Every fact that counted so far."""
        return tuple(self._register.counted)

    async def key(self, name: str) -> SigningKey:
        """A key that the register knows, with its secret from the home. Raises KeyMissing."""
        entry = (await self.state()).keys.get(name)
        if entry is None:
            raise KeyMissing(key=name)
        return held_key(self.home, entry.key)

    async def operator(self) -> SigningKey:
        """The first key of the operator's that counts and whose secret is in this home. Raises KeyMissing."""
        here = [one for one in operators((await self.state()).keys) if self.home.has_secret(f"keys/{one.id}")]
        if not here:
            raise KeyMissing(key=OPERATOR)
        return held_key(self.home, here[0])

    async def enrol_agencies(self, agencies: Agencies) -> int:
        """Agencies, each with a Kafka user that may read its own topics; returns how many were new or changed."""
        wishes, operator = [], await self.operator()
        known = (await self.state()).agencies
        await self._grounds.admit(
            {rights.agency_user(one.id): rights.agency_rights(self.topics, one.id) for one in agencies.agencies}
        )
        for agency in agencies.agencies:
            body = agency.model_dump(mode="json", exclude={"id"})
            if dict(known.get(agency.id, {})) != body:
                wishes.append(enrolment(FactKind.AGENCY, agency.id, body, operator, "the agency joined the bus"))
        return len(await self.sign(wishes))

    async def enrol_datasets(self, datasets: Iterable[Dataset]) -> int:
        """Datasets, each with its schema and its topic; returns how many were new or changed.

        Raises SchemaBreaksAgreements and SchemaRefused, before anything is written.
        """
        wishes, operator = [], await self.operator()
        listed, state = list(datasets), await self.state()
        known = state.datasets
        for dataset in listed:
            entry = known.get(dataset.name)
            if entry is not None and entry.schema == dataset.schema:
                continue
            if entry is not None:
                refuse_broken(impact(dataset, entry, state.agreements.values()))
            subject = value_subject(self.topics.changes(dataset.name))
            if reasons := await why_not_next(self._client, subject, dataset.schema):
                raise SchemaRefused(subject=subject, reason="; ".join(reasons))
        await self._grounds.admin.ensure_topics([self.topics.changes_spec(dataset.name) for dataset in listed])
        for dataset in listed:
            subject = value_subject(self.topics.changes(dataset.name))
            schema_id = await self._client.register(subject, dataset.schema)
            entry = known.get(dataset.name)
            if entry is None or (entry.schema_id, entry.schema) != (schema_id, dataset.schema):  # docs may share an id
                body = {"registry": dataset.registry, "schema": dataset.schema, "schema_id": schema_id}
                wishes.append(enrolment(FactKind.DATASET, dataset.name, body, operator, "the dataset joined the bus"))
        return len(await self.sign(wishes))

    async def enrol_connectors(self, connectors: Iterable[ConnectorEntry]) -> int:
        """Connectors, each with its topics and a Kafka user for its registry; settings stay in the home, mode 0600."""
        wishes, operator, listed = [], await self.operator(), list(connectors)
        known = (await self.state()).connectors
        for connector in listed:
            keep_settings(self.home, connector)
        specs = [spec for one in listed for spec in self.topics.connector_specs(one.name)]
        await self._grounds.admin.ensure_topics(specs)
        await self._grounds.admit(
            {
                rights.connector_user(one.name): rights.connector_rights(self.topics, one.name, one.registry)
                for one in listed
            }
        )
        former = (rights.former_connector_rights(self.topics, one.name) for one in listed)
        await self._grounds.withdraw(right for some in former for right in some)
        for connector in listed:
            body = {"registry": connector.registry}
            if dict(known.get(connector.name, {})) != body:
                reason = "the connector joined the bus"
                wishes.append(enrolment(FactKind.CONNECTOR, connector.name, body, operator, reason))
        return len(await self.sign(wishes))

    async def remove_connector(self, name: str, reason: str) -> None:
        """A connector leaves: its Kafka user, rights and settings go; what it published stays under its agreements."""
        user = rights.connector_user(name)
        await self._grounds.dismiss(user)
        self.home.forget_secret(f"users/{user}")
        settings_file(self.home, name).unlink(missing_ok=True)
        if name in (await self.state()).connectors:
            await self.sign([of_operator(FactKind.CONNECTOR, name, "removed", await self.operator(), reason)])

    async def enrol_keys(self, keys: Iterable[SigningKey]) -> int:
        """Keys that are not known yet, each signed by the first key of its agency, that by the operator."""
        known, operator = (await self.state()).keys, await self.operator()
        firsts = {entry.key.agency: entry.key.id for entry in reversed([*known.values()]) if not entry.revoked}
        by_id = {key.public.id: key for key in keys}
        wishes = []
        for key in by_id.values():
            if key.public.id not in known:
                first = by_id.get(firsts.setdefault(key.public.agency, key.public.id))
                signer = operator if first is None or first is key else first
                wishes.append(key_added(key.public, signer))
        await self.sign(wishes)
        return len(wishes)

    async def enact(
        self, documents: Iterable[AgreementDocument], datasets: Mapping[str, Dataset], agencies: Agencies
    ) -> list[str]:
        """Take agreements through their whole life, signed by offices of this home; returns the new and changed ones.

        A text that is in force already, be it suspended or ended, or that is on its way, stays as it is.
        """
        offices = offices_of(agencies, self.home)
        await self.enrol_keys(offices.keys())
        state = await self.state()
        owners = {name: agency for agency, body in state.agencies.items() for name in body.get("registries", ())}
        changed = [document for document in documents if _is_new(document, state)]
        grounds = await self._lay(changed, datasets)
        operator = await self.operator()
        wishes = await self._first_epochs(document.recipient for document in changed)
        for document, ground in zip(changed, grounds, strict=True):
            registry = offices.registries[owners[datasets[document.dataset].registry]]
            author, recipient = offices.author(document), offices.recipients[document.recipient]
            wishes += drafting(document, author, "a text of the country's files")
            wishes += [
                step(document.id, Action.APPROVED, one, "as the country's files say") for one in (registry, recipient)
            ]
            wishes.append(activation(document, ground, agencies.consent_basis, operator, "approved by both"))
        await self.sign(wishes)
        return [document.id for document in changed]

    async def activate(self, agreement: str, consent_basis: str, reason: str) -> int:
        """Bring the proposed text of an agreement into force; returns the offset. Raises StepRefused.

        A text that follows another takes over on its first day, by itself. Raises AgreementUnfit too.
        """
        state = await self.state()
        life = state.lives.get(agreement, Life())
        stage = None if life.proposal is None else life.proposal.stage
        if life.proposal is None or stage is not Stage.APPROVED:
            refusal = Refusal.SCHEDULED if stage is Stage.SCHEDULED else Refusal.NOT_APPROVED
            raise StepRefused(agreement=agreement, action=Action.ACTIVATED.value, refusal=refusal.value)
        document = AgreementDocument.model_validate(life.proposal.document)
        dataset = dataset_of(dict(state.datasets[document.dataset].schema), place=document.dataset)
        [ground] = await self._lay([document], {dataset.name: dataset})
        first, operator = await self._first_epochs([document.recipient]), await self.operator()
        return (await self.sign([*first, activation(document, ground, consent_basis, operator, reason)]))[-1]

    async def _first_epochs(self, recipients: Iterable[str]) -> list[Wish]:
        """The first epoch of each recipient that has none yet."""
        state = await self.state()
        known = state.epochs
        new = sorted({one for one in recipients if one not in known})
        if not known and state.root_check is None:  # who founded it may have kept none, and nothing hangs on one yet
            self.home.begin_root_key()
        return [await self._epoch(one, 1, "the recipient has its first agreement") for one in new]

    async def _epoch(self, recipient: str, epoch: int, reason: str) -> Wish:
        salts = Salts(self.home)
        ring = salts.keyring((await self.state()).root_check)
        salts.begin(recipient, epoch)
        check = ring.pseudonym_check(recipient, epoch)
        return epoch_begun(recipient, epoch, check, await self.operator(), reason)

    async def rotate(self, recipient: str, reason: str) -> tuple[int, int]:
        """Begin the next epoch of a recipient's pseudonyms; returns it and the offset of its fact. Raises NotFound."""
        state = await self.state()
        if recipient not in state.epochs:
            raise NotFound(kind="recipient", name=recipient, known=", ".join(sorted(state.epochs)) or "none")
        epoch = state.epochs[recipient].number + 1
        return epoch, (await self.sign([await self._epoch(recipient, epoch, reason)]))[0]

    async def destroy_epoch(self, recipient: str, epoch: int, reason: str) -> None:
        """Destroy the salt of an epoch that nothing is held under any more: the caller has looked. Raises StepRefused.

        The fact comes first, so that no salt is missed without a fact that says why; tried again, it goes on.
        """
        known = (await self.state()).epochs.get(recipient)
        if known is None or epoch not in known.destroyed:
            await self.sign([epoch_destroyed(recipient, epoch, await self.operator(), reason)])
        Salts(self.home).destroy(recipient, epoch)

    async def step(self, agreement: str, action: str, reason: str, key: SigningKey | None = None) -> int:
        """Take one step, as the operator or with another key; returns the offset of the fact. Raises StepRefused."""
        return (await self.sign([step(agreement, Action(action), key or await self.operator(), reason)]))[0]

    async def sign(self, wishes: Sequence[Wish]) -> list[int]:
        """Write signed facts in one batch; returns their offsets.

        Raises StepRefused: nothing was written, or somebody else was quicker, and the fact it names came too late.
        """
        if not wishes:
            return []
        facts = signed_facts(wishes, await self.state(), clock.now_ms())
        offsets = await self._writer.append(*facts)
        late = {one.offset: one.refusal for one in (await self.state()).refused}
        counted = {one.offset for one in self._register.counted}
        for fact, offset in zip(facts, offsets, strict=True):
            if offset not in counted:  # so many may have been refused since that only this is still known of it
                raise refused_step(fact, late.get(offset, Refusal.NOT_NEXT))
        return offsets

    async def _lay(self, documents: Sequence[AgreementDocument], datasets: Mapping[str, Dataset]) -> list[Ground]:
        """What texts stand on when they take effect: a topic each, and the id of the view's schema.

        Raises ReadersCannotFollow, before anything is made, where readers of an earlier view could not follow.
        """
        specs = [self._agency_spec(document) for document in documents]
        views = [view_schema(document, datasets[document.dataset]) for document in documents]
        subjects = [value_subject(spec.name) for spec in specs]
        for document, subject, view in zip(documents, subjects, views, strict=True):
            await require_followed(self._client, subject, view, document)
        await self._grounds.admin.ensure_topics(specs)
        ids = [await self._client.register(subject, view) for subject, view in zip(subjects, views, strict=True)]
        return [Ground(spec.name, schema_id) for spec, schema_id in zip(specs, ids, strict=True)]

    async def require_followed(self, document: AgreementDocument) -> None:
        """Raises ReadersCannotFollow, with the fields, for a text whose view the flow's readers could not follow."""
        known = (await self.state()).datasets.get(document.dataset)
        if known is not None:
            dataset = dataset_of(dict(known.schema), place=document.dataset)
            subject = value_subject(self._agency_spec(document).name)
            await require_followed(self._client, subject, view_schema(document, dataset), document)

    async def resume(self, reason: str) -> int:
        """Let everything go on after a fact that could not be read had suspended it; returns the offset."""
        return (await self.sign([of_operator(FactKind.BUS, "bus", "resumed", await self.operator(), reason)]))[0]

    async def step_route(self, name: str, action: str, reason: str) -> int:
        """Hold a flow up or let it go on (`paused`, `resumed`), or have it judged again (`backfill-asked`).

        `name` is an agreement's or a dataset's. Returns the offset of the fact.
        """
        return (await self.sign([of_operator(FactKind.ROUTE, name, action, await self.operator(), reason)]))[0]

    def _agency_spec(self, document: AgreementDocument) -> TopicSpec:
        topic = self.topics.agency(document.recipient, document.id, document.major)
        return self.topics.agency_spec(topic, pseudonymous=document.pseudonymous)


def _is_new(document: AgreementDocument, state: RegisterState) -> bool:
    life = state.lives.get(document.id, Life())
    proposed = None if life.proposal is None else life.proposal.revision
    return revision(document) not in {life.in_force, proposed}


def settings_file(home: Home, connector: str) -> Path:
    """Where a connector's settings lie."""
    return home.path / "connectors" / f"{connector}.json"


def keep_settings(home: Home, connector: ConnectorEntry) -> None:
    """Write down how a connector reaches its source, for its own process alone (mode 0600)."""
    file = settings_file(home, connector.name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, json.dumps(dict(connector.settings), indent=2))
