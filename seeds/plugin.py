"""What the bus finds by the entry point group `bus.country`: the pretend country."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from bus.model.country import ConnectorPlace, Country, CountryProcess, Made, Place, Step
from seeds import consents, day, later, live
from seeds.country import Country as Generated
from seeds.filling import fill
from seeds.offices import open_offices
from seeds.site import Site
from seeds.systems.tables import drop_database

_HERE = Path(__file__).parent


class Pretend:
    """The pretend country."""

    @property
    def agencies_file(self) -> Path:
        """The YAML file of the agencies."""
        return _HERE / "agencies.yaml"

    @property
    def legal_bases_file(self) -> Path:
        """The YAML file of the legal bases."""
        return _HERE / "legal_bases.yaml"

    @property
    def agreements_dir(self) -> Path:
        """The folder of the sharing agreements."""
        return _HERE / "agreements"

    @property
    def schemas_dir(self) -> Path:
        """The folder of the datasets' schemas."""
        return _HERE.parent / "schemas" / "changes"

    def processes(self, place: Place) -> tuple[CountryProcess, ...]:
        """The systems that are not databases."""
        site = Site(place)
        files = ("--drop", str(site.drop))
        later = (_process(site, "transport"),) if place.wide else ()
        return (_process(site, "tax"), _process(site, "insurance", *files), *later)

    def connectors(self, place: Place) -> tuple[ConnectorPlace, ...]:
        """One for each registry."""
        site = Site(place)
        return (
            ConnectorPlace("population", {"dsn": site.database("population")}),
            ConnectorPlace("land", {"dsn": site.database("land")}),
            ConnectorPlace("tax", {"url": site.url("tax"), "token": site.token("tax")}),
            ConnectorPlace("insurance", {"folder": str(site.drop)}),
            *(later.connectors(site, _HERE.parent / "connectors") if place.wide else ()),
        )

    async def make(self, place: Place, *, people: int, seed: int) -> Made:
        """Fill the systems; see `filling.fill` and `later.fill`."""
        site, country = Site(place), Generated(seed, people)
        made = await asyncio.to_thread(fill, site, country)
        if place.wide:
            await asyncio.to_thread(later.fill, site, country)
        return made

    async def unmake(self, place: Place) -> None:
        """Drop the databases, whoever is connected."""
        for registry in ("population", "land", *later.DATABASES):
            await asyncio.to_thread(drop_database, place.postgres, Site(place).database_name(registry))

    async def settled(self, place: Place) -> bool:
        """Databases and feed show a change at once; the insurance system first writes a file."""
        async with open_offices(Site(place)) as offices:
            return await offices.insurance.pending() == 0

    def consents(self, place: Place, *, seed: int) -> AsyncGenerator[Step, None]:
        """The morning's consents."""
        return consents.morning(Site(place), consents.consent_agreements(self.agreements_dir), seed)

    def day(self, place: Place, *, seed: int) -> AsyncGenerator[Step, None]:
        """The scripted day."""
        return day.day(Site(place), consents.consent_agreements(self.agreements_dir), seed)

    def live(self, place: Place, *, rate: float, seed: int) -> AsyncGenerator[Step, None]:
        """Endless small changes."""
        return live.live(Site(place), rate, seed)


def _process(site: Site, system: str, *more: str) -> CountryProcess:
    argv = (
        *(sys.executable, "-m", f"seeds.systems.{system}"),
        *("--data", str(site.data(system)), "--port", str(site.port(system))),
        *("--token-file", str(site.token_file(system))),
        *(["--everywhere"] if site.place.host else []),
        *more,
    )
    return CountryProcess(f"country-{system}", argv, {})


PRETEND: Country = Pretend()
