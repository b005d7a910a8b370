"""How each dataset of a connector is published: the newest registered schema, filled as the manifest says."""

from functools import partial

from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.datasets import dataset_of
from bus.connect.manifest import Manifest
from bus.connect.mapping import Mapper
from bus.connect.publish import Contract
from bus.connect.source import Source, as_it_came
from bus.errors import DatasetUnregistered
from bus.topics import Topics


async def contracts_of(
    client: SchemaRegistryClient, topics: Topics, manifest: Manifest, source: Source
) -> dict[str, Contract]:
    """Every dataset of the manifest with its newest registered schema. Raises DatasetUnregistered, ManifestWrong."""
    contracts = {}
    for name, rule in manifest.datasets.items():
        subject = value_subject(topics.changes(name))
        found = await client.latest(subject)
        if found is None:
            raise DatasetUnregistered(dataset=name, subject=subject)
        dataset = dataset_of(found.schema, place=f"{subject} version {found.version}")
        derive = None if type(source).derive is as_it_came else partial(source.derive, name)
        mapper = Mapper(dataset, rule, manifest.written_in, derive)
        contracts[name] = Contract.of(mapper, found.schema_id)
    return contracts
