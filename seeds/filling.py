"""Filling the four systems with a country: in one pass, each system in one transaction of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import LiteralString

import psycopg

from bus.model.country import Made, OtherCountryThere
from seeds.country import Chunk, Country
from seeds.site import Site
from seeds.systems import insurance, tax
from seeds.systems.codes import coverage_record, obligation_record, taxpayer_record
from seeds.systems.store import MADE, Store
from seeds.systems.tables import (
    CITIZEN_COLUMNS,
    PARCEL_COLUMNS,
    RIGHT_COLUMNS,
    Connection,
    citizen_row,
    copy_rows,
    made_from,
    make_database,
    make_tables,
    parcel_row,
    right_row,
)

_BATCH = 10
"""Chunks that go into one COPY."""

Fill = Callable[[Sequence[Chunk]], None]


def fill(site: Site, country: Country) -> Made:
    """Fill what is empty; what was filled from the same country stays as it is now.

    A crash leaves each system whole or empty, so that the next call completes it. Raises OtherCountryThere.
    """
    words = f"a country of {country.people} people from seed {country.seed}"
    with ExitStack() as stack:
        databases = {name: stack.enter_context(_connection(site, name)) for name in ("population", "land")}
        stores = {
            "tax": stack.enter_context(_store(Store(tax.state_path(site.data("tax"))))),
            "insurance": stack.enter_context(_store(Store(insurance.state_path(site.data("insurance"))))),
        }
        found = {name: made_from(database) for name, database in databases.items()}
        found |= {name: store.note(MADE) for name, store in stores.items()}
        for other in found.values():
            if other not in {None, words}:
                raise OtherCountryThere(found=str(other), asked=words)
        empty = {name for name, what in found.items() if what is None}
        _fill_empty(country, words, [databases[name] for name in databases], stores, empty)
        return Made(_counts(databases["population"], databases["land"], stores["tax"], stores["insurance"]))


def _fill_empty(
    country: Country, words: str, databases: list[Connection], stores: dict[str, Store], empty: set[str]
) -> None:
    if not empty:
        return
    population, land = databases
    with ExitStack() as stack:
        fills: dict[str, Fill] = {}
        for name, database, fill_one in (("population", population, _population), ("land", land, _land)):
            if name in empty:
                stack.enter_context(database.transaction())
                make_tables(database, name, words)
                fills[name] = fill_one(database)
        for name, store in stores.items():
            if name in empty:
                stack.enter_context(store.writing())
                store.remember(MADE, words)
                fills[name] = _tax(store) if name == "tax" else _insurance(store)
        for batch in _batches(country.chunks()):
            for each in fills.values():
                each(batch)


def _population(connection: Connection) -> Fill:
    def add(chunks: Sequence[Chunk]) -> None:
        rows = (citizen_row(person) for chunk in chunks for person in chunk.persons)
        copy_rows(connection, "citizen", CITIZEN_COLUMNS, rows)

    return add


def _land(connection: Connection) -> Fill:
    def add(chunks: Sequence[Chunk]) -> None:
        parcels = (parcel_row(parcel) for chunk in chunks for parcel in chunk.parcels)
        copy_rows(connection, "parcel", PARCEL_COLUMNS, parcels)
        rights = (right_row(right) for chunk in chunks for right in chunk.rights)
        copy_rows(connection, "land_right", RIGHT_COLUMNS, rights)

    return add


def _tax(store: Store) -> Fill:
    def add(chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            store.load("taxpayer", ((t.tax_code, t.personal_id, taxpayer_record(t)) for t in chunk.taxpayers))
            owed = ((o.obligation_id, o.personal_id, obligation_record(o)) for o in chunk.obligations)
            store.load("obligation", owed)

    return add


def _insurance(store: Store) -> Fill:
    def add(chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            records = ((coverage_record(cover), cover.personal_id) for cover in chunk.coverage)
            store.load(insurance.COVERAGE, ((insurance.key_of(record), person, record) for record, person in records))

    return add


def _counts(population: Connection, land: Connection, taxes: Store, insured: Store) -> dict[str, int]:
    """Records by dataset, state secrets left out."""
    return {
        "population.person": _count(population, "select count(*) from citizen"),
        "land.parcel": _count(land, "select count(*) from parcel where not mat"),
        "land.right": _count(land, "select count(*) from land_right"),
        "tax.taxpayer": taxes.count("taxpayer"),
        "tax.obligation": taxes.count("obligation"),
        "insurance.coverage": insured.count(insurance.COVERAGE),
    }


def _count(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _connection(site: Site, registry: str) -> Iterator[Connection]:
    make_database(site.place.postgres, site.database_name(registry))
    with psycopg.connect(site.database(registry), autocommit=True) as connection:
        yield connection


@contextmanager
def _store(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        store.close()


def _batches(chunks: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    while batch := list(islice(chunks, _BATCH)):
        yield batch
