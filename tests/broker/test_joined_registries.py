"""The registries that joined later, from their own systems to those who receive."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openpyxl
import psycopg
import pytest
from psycopg import sql

from bus.agreements.check import load_agreements
from bus.avro.datasets import load_datasets
from bus.connect.folder import load_folder
from bus.connect.place import Place
from bus.connect.recall import Reach
from bus.connect.runner import Runner
from bus.kafka.admin import Admin
from bus.model import country as model
from bus.model.consent import ConsentAction
from bus.platform.processes import ProcessSpec
from bus.register.country import enrol_folders
from seeds import later
from seeds.country import Country
from seeds.plugin import PRETEND
from seeds.site import Site
from seeds.systems import banking, business, education, justice, transport
from seeds.systems.store import Store
from tests.broker.conftest import SmallBus

pytestmark = [pytest.mark.broker, pytest.mark.postgres]

COUNTRY = Country(seed=5, people=300)
DEATHS, DIPLOMAS, LICENCES = "death-to-insurance", "diploma-to-portal", "licence-to-portal"
VEHICLES, ENTERPRISES = "vehicle-to-tax", "enterprise-to-tax"
REPRESENTATIVES, ACCOUNTS = "representative-to-insurance", "account-to-insurance"


@pytest.fixture
def site(postgres: str, small_bus: SmallBus, tmp_path: Path) -> Iterator[Site]:
    """The country's place on the shared server; its database is dropped afterwards."""
    site = Site(model.Place(home=tmp_path, postgres=postgres, prefix=small_bus.settings.prefix, wide=True))
    later.fill(site, COUNTRY)
    yield site
    with psycopg.connect(postgres, autocommit=True) as connection:
        name = sql.Identifier(site.database_name("business"))
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


@pytest.fixture
async def joined(small_bus: SmallBus, site: Site) -> AsyncIterator[SmallBus]:
    """A bus that all of them have joined; their connectors run."""
    bus = small_bus
    await bus.registrar.enrol_agencies(bus.agencies)
    places = [one for one in PRETEND.connectors(site.place) if one.folder]
    folders = [one.folder for one in places if one.folder]
    await enrol_folders(bus.registrar, PRETEND, folders)
    for folder in folders:
        own = load_datasets(folder / "schemas")
        bus.documents |= {one.id: one for one in load_agreements(folder / "agreements", own, bus.agencies)}
    (service,) = [one for one in PRETEND.processes(site.place) if one.name == "country-transport"]
    await bus.supervisor.start(ProcessSpec(service.name, service.argv, env=service.env))
    await bus.route()
    reach = Reach(bus.access, bus.client.access, bus.topics)
    runners = []
    await Admin(bus.access).ensure_topics([spec for one in places for spec in bus.topics.connector_specs(one.name)])
    for one in places:
        assert one.folder is not None
        source = load_folder(one.folder)
        runners.append(Runner(source(Place(one.name, bus.topics.prefix, one.settings)), source.manifest, reach))
    running = [asyncio.create_task(runner.run()) for runner in runners]
    yield bus
    for runner in runners:
        runner.stop()
    await asyncio.gather(*running)
    with contextlib.suppress(psycopg.Error), psycopg.connect(site.database("business"), autocommit=True) as connection:
        connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")


def expected(site: Site) -> dict[str, int]:
    """How many records the systems hold, by dataset."""
    store = Store(transport.state_path(site.data("transport")))
    made = list(business.enterprises(COUNTRY))
    counts = {
        "justice.civil_event": sum(len(one["nguoi"]) for one in justice.certificates(COUNTRY)),
        "education.diploma": sum(1 for _ in education.diplomas(COUNTRY)),
        "transport.licence": store.count("licence"),
        "transport.vehicle": store.count("vehicle"),
        "business.enterprise": len(made),
        "business.representative": sum(len(rows) for _, rows in made),
        "banking.account_status": sum(1 for _ in banking.accounts(COUNTRY)),
    }
    store.close()
    return counts


def an_account() -> banking.Row:
    """An account that takes benefits, whose holder's number was typed in groups or became a number."""
    return next(row for row in banking.accounts(COUNTRY) if row[7] and (isinstance(row[1], int) or " " in row[1]))


def published(bus: SmallBus, dataset: str) -> int:
    """How many keys of a dataset are live."""
    live = {record.key: record.value for record in bus.read(bus.topics.changes(dataset))}
    return sum(value is not None for value in live.values())


async def released_by_law(bus: SmallBus, site: Site) -> None:
    """What flows by law must be what the systems hold and the filters let through."""
    store = Store(transport.state_path(site.data("transport")))
    vehicles = store.page("vehicle", after_key="", limit=10_000).records
    store.close()
    counts = {
        DEATHS: sum(one["loai"] == "KT" for one in justice.certificates(COUNTRY)),
        VEHICLES: sum(one["type"] != "XM" for one in vehicles),
        ENTERPRISES: expected(site)["business.enterprise"],
        REPRESENTATIVES: expected(site)["business.representative"],
    }
    for agreement, count in counts.items():
        assert count > 0, agreement
        await bus.until(lambda name=agreement, n=count: len(bus.held(name)) == n, f"{count} of {agreement}")  # type: ignore[misc] # the values of this round


async def released_by_consent(bus: SmallBus) -> None:
    """What flows by consent must be what belongs to the person who gave it, and nothing of anybody else."""
    graduate = next(str(row[1]) for row in education.diplomas(COUNTRY) if not row[7])
    saver = "".join(str(an_account()[1]).split()).zfill(12)
    for agreement, person in ((DIPLOMAS, graduate), (ACCOUNTS, saver)):
        assert bus.held(agreement) == {}
        await bus.consent(person, agreement, ConsentAction.GIVE, event_id=f"give-{agreement}")
        await bus.until(lambda name=agreement: len(bus.held(name)) > 0, f"a record of {agreement}")  # type: ignore[misc] # the value of this round
        values = await bus.values(bus.read(bus.agency_topic(agreement)))
        assert {value["personal_id"] for value in values} == {person}
    assert bus.held(LICENCES) == {}


async def changes_follow(bus: SmallBus, site: Site) -> None:
    """An annulled certificate, a new director and a closed account must reach those who hold them."""
    death = next(one for one in justice.certificates(COUNTRY) if one["loai"] == "KT")
    draft = site.data("justice") / ".draft"
    draft.write_text(f"{json.dumps({'thao_tac': 'U', **death, 'hieu_luc': 'HUY'}, ensure_ascii=False)}\n")
    draft.replace(site.data("justice") / "ho-tich-delta-000002.jsonl")
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["thao_tac", *banking.COLUMNS])
    sheet.append(["X", an_account()[0], *[None] * 7])
    book.save(site.data("banking") / ".draft")
    (site.data("banking") / ".draft").replace(site.data("banking") / "tai-khoan-delta-000002.xlsx")
    with psycopg.connect(site.database("business"), autocommit=True) as connection:
        connection.execute("update nguoi_dai_dien set so_dinh_danh = '001190000029' where ma_dai_dien = 'DD-000000'")
    deaths, directors = len(bus.held(DEATHS)) - 1, len(bus.held(REPRESENTATIVES))
    await bus.until(lambda: len(bus.held(DEATHS)) == deaths, "one death less")
    await bus.until(lambda: bus.held(ACCOUNTS) == {}, "no account")
    new = b"001190000029/DD-000000"
    await bus.until(lambda: new in bus.held(REPRESENTATIVES), "the new director")
    assert len(bus.held(REPRESENTATIVES)) == directors


async def test_from_their_systems_to_those_who_receive(joined: SmallBus, site: Site) -> None:
    """Everything that the systems hold is published, what an agreement allows is released, and changes follow."""
    for dataset, count in expected(site).items():
        assert count > 0, dataset
        await joined.until(lambda name=dataset, n=count: published(joined, name) == n, f"{count} of {dataset}")  # type: ignore[misc] # the values of this round
    await released_by_law(joined, site)
    await released_by_consent(joined)
    await changes_follow(joined, site)
    for connector in {dataset.partition(".")[0] for dataset in expected(site)}:
        assert joined.read(joined.topics.deadletters_of(connector)) == [], connector
