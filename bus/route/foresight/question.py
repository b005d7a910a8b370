"""The question that a preview answers: an edited text, compiled as if activated, beside the one in force."""

from dataclasses import dataclass, replace

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.route import Route
from bus.agreements.rules import unfit
from bus.agreements.view import view_schema
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.datasets import Dataset, dataset_of
from bus.avro.own import OwnMessages
from bus.errors import AgreementUnfit, NotFound
from bus.kafka.access import KafkaAccess
from bus.model.keyring import KeyRing
from bus.register.readers import require_followed
from bus.register.state import AgreementEntry, RegisterState, Standing, covered, no_wider
from bus.route.rules import Rule, RuleBook
from bus.topics import PSEUDONYMOUS_PARTITIONS, Topics

NOT_YET = 0x7FFFFFFF
"""Stands for the id of a schema that is not registered: no released value has it, so each would be told anew."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the bus's state is read from."""

    access: KafkaAccess
    topics: Topics
    messages: OwnMessages
    client: SchemaRegistryClient
    keyring: KeyRing


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the rule that it is compiled to."""

    document: AgreementDocument
    rule: Rule


@dataclass(frozen=True, slots=True)
class Question:
    """The edited text and the one in force, if there is one, over their dataset."""

    new: Text
    old: Text | None
    dataset: Dataset
    schema_id: int
    """Of the dataset's newest schema."""

    @property
    def route(self) -> Route:
        """The edited agreement's."""
        return self.new.rule.route


async def asked(state: RegisterState, document: AgreementDocument, consent_basis: str, sources: Sources) -> Question:
    """The edited text compiled as its activation would have it, beside the one in force.

    Raises AgreementUnfit; NotFound for a dataset that is not on the bus.
    """
    if document.dataset not in state.datasets:
        raise NotFound(kind="dataset", name=document.dataset, known=", ".join(sorted(state.datasets)) or "none")
    topics = sources.topics
    dataset = dataset_of(dict(state.datasets[document.dataset].schema), place=document.dataset)
    topic = topics.agency(document.recipient, document.id, document.major)
    view = view_schema(document, dataset)
    schema_id = await require_followed(sources.client, value_subject(topic), view, document)
    entry = _proposed(state, document, topic, consent_basis)
    entry = replace(entry, view_schema_id=NOT_YET if schema_id is None else schema_id)
    book = RuleBook(sources.keyring, lanes=topics.lanes, pseudonymous_partitions=PSEUDONYMOUS_PARTITIONS)
    old = book.compile(state).rules.get(document.id)
    new = book.compile(replace(state, agreements={document.id: entry})).rules.get(document.id)
    if new is None or new.closed:
        reason = unfit(document, dataset) or "it cannot be compiled against the newest schema"
        raise AgreementUnfit(agreement=document.id, dataset=document.dataset, reason=reason)
    in_force = None
    if old is not None and not old.closed:
        in_force = Text(AgreementDocument.model_validate(state.agreements[document.id].document), old)
    return Question(Text(document, new), in_force, dataset, state.datasets[document.dataset].schema_id)


def _proposed(state: RegisterState, document: AgreementDocument, topic: str, consent_basis: str) -> AgreementEntry:
    """The agreement as it would stand right after the activation of this text; its schema's id is not known here."""
    known = state.agreements.get(document.id)
    if known is not None and known.standing is Standing.ENDED:
        known = None
    return AgreementEntry(
        agreement=document.id,
        number=state.next_number() if known is None else known.number,
        revision=revision(document),
        document=document.model_dump(mode="json", by_alias=True),
        topic=topic,
        view_schema_id=NOT_YET,
        standing=Standing.ACTIVE if known is None else known.standing,
        accepted_revisions=covered(document, known),
        consent_basis=consent_basis,
        since_offset=state.offset,
        no_wider=no_wider(document, known),
    )
