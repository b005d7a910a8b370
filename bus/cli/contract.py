"""`bus agency contract` and `bus connector contract`: contracts in the forms that others' tools read."""

import asyncio
import json
from typing import Any

import click

from bus.avro.client import SchemaRegistryClient
from bus.deliver.contract import asyncapi, odcs, server
from bus.deliver.recipients import read_register, recipients
from bus.errors import NotFound
from bus.kafka.rights import OPERATOR, agency_user
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics


@click.command("contract")
@click.argument("agency_id", metavar="AGENCY")
def agency_contract(agency_id: str) -> None:
    """Print what AGENCY receives as an AsyncAPI document: topics, Avro schemas, erasures. No secret is in it."""
    _print(asyncio.run(_of_agency(Settings(), agency_id)))


@click.command("contract")
@click.argument("dataset")
def dataset_contract(dataset: str) -> None:
    """Print DATASET, such as population.person, as a data contract in the Open Data Contract Standard."""
    _print(asyncio.run(_of_dataset(Settings(), dataset)))


async def _of_agency(settings: Settings, agency_id: str) -> dict[str, Any]:
    home, topics = Home.from_settings(settings), Topics(settings.prefix, settings.lanes)
    access = kafka_access(settings, KafkaSettings(), home, OPERATOR)
    async with SchemaRegistryClient.from_settings(settings, home) as client:
        state = await read_register(access, topics, client)
        by_name = {one.agency: one for one in recipients(state)}
        if agency_id not in by_name:
            raise NotFound(kind="recipient", name=agency_id, known=", ".join(by_name) or "none")
        one = by_name[agency_id]
        ids = {flow.agreement: state.agreements[flow.agreement].view_schema_id for flow in one.flows}
        views = {name: await client.schema(schema_id) for name, schema_id in ids.items()}
        user, groups = topics.user(agency_user(agency_id)), topics.agency_prefix(agency_id)
        return asyncapi(one, state.agreements, views, server(access, user, groups, client.access.place))


async def _of_dataset(settings: Settings, name: str) -> dict[str, Any]:
    home, topics = Home.from_settings(settings), Topics(settings.prefix, settings.lanes)
    access = kafka_access(settings, KafkaSettings(), home, OPERATOR)
    async with SchemaRegistryClient.from_settings(settings, home) as client:
        state = await read_register(access, topics, client)
    if name not in state.datasets:
        raise NotFound(kind="dataset", name=name, known=", ".join(state.datasets) or "none")
    entry = state.datasets[name]
    owners = [agency for agency, body in state.agencies.items() if entry.registry in body.get("registries", ())]
    return odcs(entry, topics.changes(name), owners[0] if owners else None)


def _print(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
