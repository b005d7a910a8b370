"""Every contract that the pretended country publishes follows its standard."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import fastavro
import pytest

from bus.agreements.agencies import load_agencies
from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument
from bus.agreements.view import view_schema
from bus.avro.datasets import Dataset, load_datasets
from bus.deliver.contract import asyncapi, odcs, server
from bus.deliver.recipients import Flow, Recipient
from bus.kafka.access import KafkaAccess
from bus.register.state import AgreementEntry, DatasetEntry, Standing
from bus.topics import Topics
from tests.unit.deliver.standards import wrong

ROOT = Path(__file__).parents[3]
AGENCIES = load_agencies(ROOT / "seeds" / "agencies.yaml")
TOPICS = Topics("", 8)


def everything() -> tuple[dict[str, Dataset], list[AgreementDocument]]:
    """The datasets and agreements of the country, and of the registries that joined later."""
    places = [(ROOT / "schemas" / "changes", ROOT / "seeds" / "agreements")]
    places += [(folder.parent / "schemas", folder) for folder in sorted((ROOT / "connectors").glob("*/agreements"))]
    datasets: dict[str, Dataset] = {}
    documents: list[AgreementDocument] = []
    for schemas, agreements in places:
        own = load_datasets(schemas)
        datasets |= own
        documents += load_agreements(agreements, own, AGENCIES)
    return datasets, documents


DATASETS, DOCUMENTS = everything()
RECIPIENTS = sorted({document.recipient for document in DOCUMENTS})


def of_recipient(agency: str) -> dict[str, Any]:
    """The contract of an agency with every agreement in force."""
    documents = [one for one in DOCUMENTS if one.recipient == agency]
    entries = {
        one.id: AgreementEntry(
            one.id,
            number,
            "r",
            one.model_dump(mode="json", by_alias=True),
            TOPICS.agency(agency, one.id, 1),
            1,
            Standing.ACTIVE,
            frozenset(),
            "c",
            0,
        )
        for number, one in enumerate(documents)
    }
    flows = tuple(Flow(one.id, "active", one.title, one.dataset, entries[one.id].topic) for one in documents)
    views = {one.id: view_schema(one, DATASETS[one.dataset]) for one in documents}
    known = AGENCIES.agency(agency)
    assert known is not None
    return asyncapi(Recipient(agency, known.name, flows), entries, views, place_of(agency))


def place_of(agency: str, **access: Any) -> dict[str, Any]:
    """Where an agency reads."""
    words = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "password": "hidden"} | access
    groups = TOPICS.agency_prefix(agency)
    return server(KafkaAccess("kafka.example:9092", **words), f"agency-{agency}", groups, "https://schemas.example")


def fingerprint(schema: Any) -> str:
    """What Avro takes for the same schema."""
    return fastavro.schema.to_parsing_canonical_form(deepcopy(schema))


def of_dataset(name: str) -> dict[str, Any]:
    """The contract of a dataset."""
    entry = DatasetEntry(name, DATASETS[name].registry, DATASETS[name].schema, 1)
    return odcs(entry, TOPICS.changes(name), "an-agency")


@pytest.mark.parametrize("agency", RECIPIENTS)
def test_a_recipients_contract_is_asyncapi(agency: str) -> None:
    """A document a recipient, valid by the official schema of AsyncAPI 3.1."""
    document = of_recipient(agency)
    assert document["asyncapi"] == "3.1.0"
    assert wrong(document, "asyncapi") == []
    for one in DOCUMENTS:
        if one.recipient == agency:
            shown = document["components"]["messages"][one.id]["payload"]["schema"]
            assert fingerprint(shown) == fingerprint(view_schema(one, DATASETS[one.dataset]))


def test_a_contract_says_how_one_logs_in() -> None:
    """Whoever reads with a client of their own learns from it every setting but the password."""
    place = of_recipient("tax-authority")["servers"]["bus"]
    assert place["security"] == [{"type": "scramSha512"}]
    assert place["bindings"]["kafka"]["schemaRegistryUrl"] == "https://schemas.example"
    for setting in ("security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-512", "user agency-tax-authority"):
        assert setting in place["description"]
    assert place["description"].endswith("begin with agency.tax-authority.")
    assert "hidden" not in str(place)
    plain = place_of("tax-authority", security_protocol="PLAINTEXT", sasl_mechanism=None)
    assert plain["protocol"] == "kafka"
    assert "sasl" not in plain["description"]


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_datasets_contract_is_odcs(name: str) -> None:
    """A document a dataset, valid by the official schema of ODCS 3.2; closed lists of values are in it."""
    document = of_dataset(name)
    assert document["apiVersion"] == "v3.2.0"
    assert wrong(document, "odcs") == []


def test_the_symbols_of_an_enum_are_told() -> None:
    """Who reads the contract must see which values a field can have."""
    fields = {one["name"]: one for one in of_dataset("justice.civil_event")["schema"][0]["properties"]}
    assert [one["value"] for one in fields["kind"]["enum"]] == ["BIRTH", "MARRIAGE", "DEATH", "OTHER"]
    assert "enum" not in fields["full_name"]


def test_the_standards_refuse_what_breaks_them() -> None:
    """The check can fail: a word that the standards don't know is found in either document."""
    for document, kind in ((of_recipient(RECIPIENTS[0]), "asyncapi"), (of_dataset("land.parcel"), "odcs")):
        broken = deepcopy(document) | {"nonsense": 1}
        assert wrong(broken, kind) != []
