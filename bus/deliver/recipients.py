"""The recipients of a bus and their agreements, from the register."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.errors import NotFound
from bus.kafka.access import KafkaAccess
from bus.register.log import Register
from bus.register.state import AgreementEntry, RegisterState
from bus.topics import Topics


@dataclass(frozen=True, slots=True)
class Flow:
    """What one agreement lets through to its recipient, and the topic that it comes by."""

    agreement: str
    standing: str
    title: Mapping[str, str]
    dataset: str
    topic: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agency and the agreements under which it receives."""

    agency: str
    name: Mapping[str, str]
    flows: tuple[Flow, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "id": self.agency,
            "name": dict(self.name),
            "agreements": [
                {
                    "agreement": flow.agreement,
                    "standing": flow.standing,
                    "title": dict(flow.title),
                    "dataset": flow.dataset,
                    "topic": flow.topic,
                }
                for flow in self.flows
            ],
        }


async def read_register(access: KafkaAccess, topics: Topics, client: SchemaRegistryClient) -> RegisterState:
    """The register as it stands now. Raises BusNotFounded, BusMismatch, KafkaUnreachable."""
    register = Register(access, topics, OwnMessages(client))
    try:
        return await register.start()
    finally:
        await register.stop()


def recipients(state: RegisterState) -> list[Recipient]:
    """Every agency that may receive, or that an agreement names, with its agreements, by name."""
    flows: dict[str, list[Flow]] = {name: [] for name, body in state.agencies.items() if body.get("receives", True)}
    for _, entry in sorted(state.agreements.items()):
        flows.setdefault(entry.document["recipient"], []).append(_flow(entry))
    return [
        Recipient(agency, state.agencies.get(agency, {}).get("name", {}), tuple(listed))
        for agency, listed in sorted(flows.items())
    ]


def flows_of(known: Iterable[Recipient], agency: str, agreement: str | None = None) -> tuple[Flow, ...]:
    """The flows of one agency, or the one under an agreement. Raises NotFound, naming what is known."""
    by_name = {recipient.agency: recipient for recipient in known}
    if agency not in by_name:
        raise NotFound(kind="recipient", name=agency, known=", ".join(by_name) or "none")
    flows = by_name[agency].flows
    if agreement is None:
        return flows
    chosen = tuple(flow for flow in flows if flow.agreement == agreement)
    if not chosen:
        names = ", ".join(flow.agreement for flow in flows)
        raise NotFound(kind=f"agreement of {agency}", name=agreement, known=names or "none")
    return chosen


def _flow(entry: AgreementEntry) -> Flow:
    document = entry.document
    return Flow(entry.agreement, entry.standing.value, document["title"], document["dataset"], entry.topic)
