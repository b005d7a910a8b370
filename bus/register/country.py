"""A country into the register: its agencies, datasets and agreements, whose offices sign by themselves."""

from collections.abc import Iterable
from pathlib import Path

from bus.agreements.agencies import load_agencies, load_legal_bases
from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument
from bus.avro.datasets import Dataset, load_datasets
from bus.model.country import Country
from bus.register.registrar import Registrar

SCHEMAS, AGREEMENTS = "schemas", "agreements"
"""What the folder of a registry holds that joined later."""


async def enrol_country(registrar: Registrar, country: Country) -> None:
    """The country's agencies, and the datasets and agreements of its own folders."""
    await registrar.enrol_agencies(load_agencies(country.agencies_file))
    await _enrol(registrar, country, [(country.schemas_dir, country.agreements_dir)])


async def enrol_folders(registrar: Registrar, country: Country, folders: Iterable[Path]) -> None:
    """Registries that joined later: the datasets and agreements that lie in their connectors' folders."""
    await _enrol(registrar, country, [(folder / SCHEMAS, folder / AGREEMENTS) for folder in folders])


async def _enrol(registrar: Registrar, country: Country, places: Iterable[tuple[Path, Path]]) -> None:
    agencies, bases = load_agencies(country.agencies_file), load_legal_bases(country.legal_bases_file)
    datasets: dict[str, Dataset] = {}
    documents: list[AgreementDocument] = []
    for schemas_dir, agreements_dir in places:
        own = load_datasets(schemas_dir)
        datasets |= own
        documents += load_agreements(agreements_dir, own, agencies, bases)
    if datasets:
        await registrar.enrol_datasets(datasets.values())
        await registrar.enact(documents, datasets, agencies)
