"""A whole country from one number: the same seed gives the same country, byte for byte.

People come in chunks, and a chunk follows from the seed and its own rank alone: a million people need the memory of one
chunk. Nobody is related to, or holds land with, anyone of another chunk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from seeds.dice import Dice
from seeds.dues import coverage, taxes, work_of
from seeds.numbers import RANKS
from seeds.people import Families
from seeds.property import estates
from seeds.records import Coverage, Obligation, Parcel, Person, Right, Taxpayer

CHUNK = 500
"""People in a chunk. Part of what a seed means: another number would make another country."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """All records about the people of one chunk."""

    persons: tuple[Person, ...]
    parcels: tuple[Parcel, ...]
    rights: tuple[Right, ...]
    taxpayers: tuple[Taxpayer, ...]
    obligations: tuple[Obligation, ...]
    coverage: tuple[Coverage, ...]


@dataclass(frozen=True, slots=True)
class Country:
    """`people` is the number of persons in the population registry, the dead among them: 1 to 1,000,000."""

    seed: int
    people: int

    def __post_init__(self) -> None:
        if not 1 <= self.people <= RANKS:
            raise ValueError(f"a country has 1 to {RANKS} people, not {self.people}")

    def chunks(self) -> Iterator[Chunk]:
        """Every chunk, in order; each is made when it is asked for."""
        for rank in range((self.people + CHUNK - 1) // CHUNK):
            yield self._chunk(rank)

    def persons(self) -> Iterator[Person]:
        """`population.person`."""
        return (record for chunk in self.chunks() for record in chunk.persons)

    def parcels(self) -> Iterator[Parcel]:
        """`land.parcel`, state secrets among them."""
        return (record for chunk in self.chunks() for record in chunk.parcels)

    def rights(self) -> Iterator[Right]:
        """`land.right`."""
        return (record for chunk in self.chunks() for record in chunk.rights)

    def taxpayers(self) -> Iterator[Taxpayer]:
        """`tax.taxpayer`."""
        return (record for chunk in self.chunks() for record in chunk.taxpayers)

    def obligations(self) -> Iterator[Obligation]:
        """`tax.obligation`."""
        return (record for chunk in self.chunks() for record in chunk.obligations)

    def coverage(self) -> Iterator[Coverage]:
        """`insurance.coverage`."""
        return (record for chunk in self.chunks() for record in chunk.coverage)

    def _chunk(self, rank: int) -> Chunk:
        dice = Dice("country", self.seed, rank)
        first = rank * CHUNK
        families = Families(dice, first, min(CHUNK, self.people - first))
        lands = list(estates(dice, rank, families.homes))
        working = [(draft, work_of(dice, draft)) for draft in families.drafts]
        taxed = list(taxes(dice, rank, working, lands))
        return Chunk(
            persons=tuple(families.persons()),
            parcels=tuple(estate.parcel for estate in lands),
            rights=tuple(right for estate in lands for right in estate.rights),
            taxpayers=tuple(taxpayer for taxpayer, _ in taxed),
            obligations=tuple(obligation for _, owed in taxed for obligation in owed),
            coverage=tuple(cover for draft, work in working for cover in coverage(dice, draft, work)),
        )
