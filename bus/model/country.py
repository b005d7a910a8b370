"""A country that can be plugged into the bus: its registries' own systems, its agencies, and what happens in it.

The bus ships none. One is found by the entry point group `bus.country`; it imports nothing of the bus but this
folder, so a real country takes the place of a pretended one without a change to the bus.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class OtherCountryThere(Exception):
    """The place already holds a country made from another seed or size; nothing was changed."""

    def __init__(self, *, found: str, asked: str) -> None:
        self.found = found
        self.asked = asked
        super().__init__(f"the place already holds {found}, and {asked} was asked for; use another BUS_HOME")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a country lives and whom it may talk to.

    `home` is BUS_HOME: a country keeps its files in `home/country`. `postgres` is the address of a superuser, as
    `postgresql://…/postgres`. `prefix` stands before every topic of the bus, and sets databases of several buses on
    one server apart. `citizen_api` is the address that takes consents, None while it does not run. `wide`: the
    registries that joined later are there too. `host` is the name by which other machines reach the country's systems;
    without one they listen on loopback alone.
    """

    home: Path
    postgres: str
    prefix: str = ""
    citizen_api: str | None = None
    citizen_token: str | None = field(default=None, repr=False)
    wide: bool = False
    host: str | None = None


@dataclass(frozen=True, slots=True)
class CountryProcess:
    """A process of the country's own. It writes `{"pid", "port"}` to the path in BUS_READY_FILE when it serves."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnectorPlace:
    """A connector that the country needs, and how it reaches its source. The settings may hold secrets.

    `folder` is that of a registry which joined later: manifest and source, `schemas/` and `agreements/`. Without one,
    the connector is installed, and its schemas and agreements are among the country's own.
    """

    name: str
    settings: Mapping[str, str] = field(repr=False)
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a country holds after it was made: records by dataset."""

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: its title in English and Vietnamese, and how many records of which dataset changed.

    `counts` names datasets (`population.person`); citizens' consents count under `consents`.
    """

    name: str
    title_en: str
    title_vi: str
    counts: Mapping[str, int]


class Country(Protocol):
    """What the bus asks of a country."""

    @property
    def agencies_file(self) -> Path:
        """The YAML file of the agencies."""
        ...

    @property
    def legal_bases_file(self) -> Path:
        """The YAML file of the legal bases that agreements may name."""
        ...

    @property
    def agreements_dir(self) -> Path:
        """The folder of the sharing agreements, one YAML file each."""
        ...

    @property
    def schemas_dir(self) -> Path:
        """The folder with `<registry>/<dataset>.avsc`."""
        ...

    def processes(self, place: Place) -> tuple[CountryProcess, ...]:
        """What must run beside the bus; the order of start does not matter, nor whether `make` came before."""
        ...

    def connectors(self, place: Place) -> tuple[ConnectorPlace, ...]:
        """The connectors and their settings; the same at every call for one place."""
        ...

    async def make(self, place: Place, *, people: int, seed: int) -> Made:
        """Fill the registries' systems. Made before from the same seed and size: changes nothing.

        Raises OtherCountryThere when the place holds another one.
        """
        ...

    async def unmake(self, place: Place) -> None:
        """Remove what `make` left on the server at `place.postgres`; what lies in the home is removed with it."""
        ...

    async def settled(self, place: Place) -> bool:
        """Whether the systems have handed out everything that happened in them, so that a connector can see it."""
        ...

    def consents(self, place: Place, *, seed: int) -> AsyncGenerator[Step, None]:
        """The morning: citizens give their consents, one step for each agreement that needs them."""
        ...

    def day(self, place: Place, *, seed: int) -> AsyncGenerator[Step, None]:
        """A scripted day; each step is done when it is yielded, and the next one waits until it is asked for."""
        ...

    def live(self, place: Place, *, rate: float, seed: int) -> AsyncGenerator[Step, None]:
        """Endless small changes, about `rate` a second."""
        ...
