"""The registries that joined later: their systems, filled from the same country, and where their connectors lie.

They stand still: nothing of the scripted day or of the endless changes reaches them.
"""

from pathlib import Path

import psycopg

from bus.model.country import ConnectorPlace
from seeds.country import Country
from seeds.site import Site
from seeds.systems import banking, business, education, justice, transport
from seeds.systems.store import MADE, Store
from seeds.systems.tables import made_from, make_database

DATABASES = ("business",)


def connectors(site: Site, folders: Path) -> tuple[ConnectorPlace, ...]:
    """Their connectors, whose folders lie in `folders`."""
    settings = {
        "justice": {"folder": str(site.data("justice"))},
        "education": {"url": f"sqlite:///{_diplomas(site)}"},
        "transport": {"url": site.url("transport"), "token": site.token("transport")},
        "business": {"dsn": site.database("business")},
        "banking": {"folder": str(site.data("banking"))},
    }
    return tuple(ConnectorPlace(name, own, folders / name) for name, own in settings.items())


def fill(site: Site, country: Country) -> None:
    """Fill what is empty; a crash leaves each system whole or empty. The country is that of the first registries."""
    words = f"a country of {country.people} people from seed {country.seed}"
    if not (site.data("justice") / justice.FILE).exists():
        justice.make(site.data("justice"), country)
    if not (site.data("banking") / banking.FILE).exists():
        banking.make(site.data("banking"), country)
    _fill_education(site, country)
    _fill_transport(site, country, words)
    make_database(site.place.postgres, site.database_name("business"))
    with psycopg.connect(site.database("business"), autocommit=True) as connection:
        if made_from(connection) is None:
            business.fill(connection, country, words)


def _fill_education(site: Site, country: Country) -> None:
    file = _diplomas(site)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part")
        draft.unlink(missing_ok=True)
        education.make(draft, country)
        draft.replace(file)


def _fill_transport(site: Site, country: Country, words: str) -> None:
    store = Store(transport.state_path(site.data("transport")))
    try:
        if store.note(MADE) is None:
            transport.fill(store, country, words)
    finally:
        store.close()


def _diplomas(site: Site) -> Path:
    return site.data("education") / "van-bang.sqlite"
