"""The registries that joined later: what their systems hold is consistent with the country's people."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from bus.agreements.agencies import load_agencies, load_legal_bases
from bus.agreements.check import load_agreements
from bus.avro.datasets import load_datasets
from bus.connect.folder import load_folder
from bus.connect.mapping import Mapper
from bus.model.country import Place
from seeds.country import Country
from seeds.plugin import PRETEND
from seeds.systems import banking, business, justice, transport
from seeds.systems.store import Store
from seeds.units import UNITS

ROOT = Path(__file__).parents[3]
LATER = ("justice", "education", "transport", "business", "banking")
LONGEST_LINES = 120
EVENTS = "justice.civil_event"
ACCOUNTS = "banking.account_status"


@pytest.fixture(scope="module")
def country() -> Country:
    """A small country."""
    return Country(seed=7, people=900)


@pytest.mark.parametrize("name", LATER)
def test_a_folder_is_whole(name: str) -> None:
    """Manifest, schemas and agreements fit each other and the country's agencies; little of it is Python."""
    folder = ROOT / "connectors" / name
    datasets, manifest = load_datasets(folder / "schemas"), load_folder(folder).manifest
    assert set(manifest.datasets) == set(datasets)
    for dataset, rule in manifest.datasets.items():
        assert set(Mapper(datasets[dataset], rule, name).dataset.schema["fields"][0]) >= {"doc", "category"}
    agencies, bases = load_agencies(PRETEND.agencies_file), load_legal_bases(PRETEND.legal_bases_file)
    assert load_agreements(folder / "agreements", datasets, agencies, bases)
    owner = agencies.registry_owner(name)
    assert owner is not None
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.glob("*.py"))
    assert lines <= LONGEST_LINES


def test_they_come_when_asked_for(tmp_path: Path) -> None:
    """Only a wide place has their connectors and processes, after those of the first registries."""
    narrow, wide = (Place(tmp_path, "postgresql://localhost/postgres", wide=wide) for wide in (False, True))
    assert [one.folder for one in PRETEND.connectors(narrow)] == [None] * 4
    names = {one.name: one.folder for one in PRETEND.connectors(wide)}
    assert {name for name, folder in names.items() if folder} == set(LATER)
    assert all((folder / "manifest.yaml").is_file() for folder in names.values() if folder)
    more = {one.name for one in PRETEND.processes(wide)} - {one.name for one in PRETEND.processes(narrow)}
    assert more == {"country-transport"}


def test_certificates_tell_of_the_people(tmp_path: Path, country: Country) -> None:
    """Each death has its certificate, a birth names the parents, a marriage both spouses; numbers are unique."""
    people = {person.personal_id: person for person in country.persons()}
    count = justice.make(tmp_path, country)
    found = [json.loads(line) for line in (tmp_path / justice.FILE).read_text(encoding="utf-8").splitlines()]
    assert sum(len(one["nguoi"]) for one in found) == count
    assert len({one["so"] for one in found}) == len(found)
    by_kind: dict[str, set[str]] = {"KS": set(), "KH": set(), "KT": set()}
    for one in found:
        by_kind[one["loai"]] |= {person["so_dinh_danh"] for person in one["nguoi"]}
        first = people[one["nguoi"][0]["so_dinh_danh"]]
        if one["loai"] == "KS":
            assert (one["me"] or {}).get("so_dinh_danh") == first.mother_id
        if one["loai"] == "KH":
            assert [first.spouse_id] == [person["so_dinh_danh"] for person in one["nguoi"][1:]]
    recent = {one.personal_id for one in people.values() if one.death_date and one.death_date.year >= 2016}
    assert by_kind["KT"] == recent
    assert all(by_kind.values())


def test_certificates_of_old_provinces_name_those_of_now(country: Country) -> None:
    """Whatever province a certificate was written in, its record names the one that it is part of now."""
    manifest, schemas = (load_folder(ROOT / "connectors" / "justice").manifest, ROOT / "connectors/justice/schemas")
    mapper = Mapper(load_datasets(schemas)[EVENTS], manifest.datasets[EVENTS], "justice")
    provinces = Counter[bool]()
    for one in justice.certificates(country):
        if place := one["noi"]:
            row = defaultdict[str, Any](lambda: None, so=one["so"], hieu_luc="HL", loai=one["loai"])
            row |= {name: one[name] for name in ("ngay_su_kien", "ngay_dang_ky")} | {"noi.tinh": place["tinh"]}
            province = mapper.record(row)["province"]
            assert province == UNITS.communes[place["xa"]].province
            provinces[province == place["tinh"]] += 1
    assert min(provinces[True], provinces[False]) > 10


def test_licences_vehicles_and_accounts_are_of_living_adults(tmp_path: Path, country: Country) -> None:
    """Nobody who is dead or a child drives or has an account; keys are unique."""
    grown = {one.personal_id for one in country.persons() if one.alive and one.birth_date.year <= 2008}
    store = Store(tmp_path / "transport.sqlite")
    transport.fill(store, country, "a test")
    for kind, fields in (("licence", transport.LICENCE.fields), ("vehicle", transport.VEHICLE.fields)):
        records = store.page(kind, after_key="", limit=10_000).records
        assert {one["personalId"] for one in records} <= grown
        assert {frozenset(one) for one in records} == {fields | {"modified"}}
        assert len(records) > 100
    store.close()
    count = banking.make(tmp_path, country)
    rows = list(openpyxl.load_workbook(tmp_path / banking.FILE).worksheets[0].iter_rows(values_only=True))
    assert rows[0] == banking.COLUMNS
    manifest = load_folder(ROOT / "connectors" / "banking").manifest
    datasets = load_datasets(ROOT / "connectors" / "banking" / "schemas")
    mapper = Mapper(datasets[ACCOUNTS], manifest.datasets[ACCOUNTS], "banking")
    keys = [mapper.key(dict(zip(banking.COLUMNS, row, strict=True))) for row in rows[1:]]
    assert {key.subject for key in keys} <= grown
    assert any(isinstance(row[1], int) for row in rows[1:])
    assert any(" " in str(row[1]) for row in rows[1:])
    assert len({row[0] for row in rows[1:]}) == count == len(rows) - 1


def test_enterprises_are_the_employers_of_the_insured(country: Country) -> None:
    """Every employer that the insurance registry names is registered; whoever represents one is a living adult."""
    made = list(business.enterprises(country))
    codes = {enterprise[0] for enterprise, _ in made}
    assert len(codes) == len(made)
    assert {one.employer_tax_code for one in country.coverage()} - {None} <= codes
    alive = {one.personal_id for one in country.persons() if one.alive}
    representatives = [row for _, rows in made for row in rows]
    assert {row[2] for row in representatives} <= alive
    assert len({row[0] for row in representatives}) == len(representatives)
