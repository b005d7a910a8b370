"""The generated country: the same every time, and in agreement with itself."""

import hashlib
import re
import time
import tracemalloc
from collections import Counter, defaultdict
from dataclasses import astuple
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.connect.units import read_units
from seeds import geohash
from seeds.country import CHUNK, Chunk, Country
from seeds.names import FAMILY
from seeds.people import TODAY
from seeds.records import Person
from seeds.units import REFORM, UNITS

CHANGES = Path(__file__).parents[3] / "seeds" / "data" / "province_changes.csv"
PINNED = "916cffc00d4bb7416ca2774e959b8b650d14c0ee176eaad64d171ca5ff097995"

countries = st.builds(Country, st.integers(0, 2**32), st.integers(1, 2 * CHUNK))


def fingerprint(country: Country) -> str:
    """A hash over every record, in order."""
    digest = hashlib.sha256()
    for chunk in country.chunks():
        for records in astuple_all(chunk):
            digest.update(repr(records).encode())
    return digest.hexdigest()


def astuple_all(chunk: Chunk) -> list[object]:
    """The records of a chunk as plain tuples."""
    groups = (chunk.persons, chunk.parcels, chunk.rights, chunk.taxpayers, chunk.obligations, chunk.coverage)
    return [astuple(record) for group in groups for record in group]


def test_a_seed_gives_the_same_country_everywhere() -> None:
    """The country of seed 1 is pinned: whoever changes it changes every figure that was written down about it."""
    assert fingerprint(Country(1, 700)) == PINNED


def test_another_seed_gives_another_country() -> None:
    """Nothing of the chance is left out of the seed."""
    assert fingerprint(Country(1, 50)) != fingerprint(Country(2, 50))


def test_a_larger_country_begins_with_the_smaller_one() -> None:
    """Whole chunks do not depend on how many people follow."""
    small = list(Country(5, CHUNK).chunks())
    large = list(Country(5, 3 * CHUNK).chunks())
    assert large[:1] == small


@pytest.mark.parametrize("people", [0, -1, 1_000_001])
def test_a_country_has_between_one_and_a_million_people(people: int) -> None:
    """Beyond that personal numbers could meet."""
    with pytest.raises(ValueError, match="1 to 1000000 people"):
        Country(1, people)


def test_a_thousand_people_take_less_than_a_second() -> None:
    """In processor time, so that a busy machine does not count; it is about a tenth of that."""
    began = time.process_time()
    assert sum(1 for chunk in Country(9, 1000).chunks() for _ in chunk.persons) == 1000
    assert time.process_time() - began < 1


def test_memory_does_not_grow_with_the_country() -> None:
    """Reading eight chunks one after the other needs little more than reading two; when rubbish goes is chance."""
    assert peak_bytes(8 * CHUNK) < 2 * peak_bytes(2 * CHUNK)


def peak_bytes(people: int) -> int:
    """The most memory in use at once while a country is read chunk by chunk."""
    tracemalloc.start()
    try:
        for _ in Country(9, people).chunks():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@settings(max_examples=8, deadline=None)
@given(countries)
def test_people_agree_with_their_numbers_and_their_families(country: Country) -> None:
    """Numbers are unique and tell birth and sex; parents, children and spouses exist and fit each other."""
    people = {person.personal_id: person for person in country.persons()}
    assert len(people) == country.people
    for person in people.values():
        assert person.personal_id[:6] == _beginning(person)
        assert person.full_name.split()[0] in FAMILY.things
        assert 3 <= len(person.full_name.split()) <= 4
        assert (person.status == "DEAD") == (person.death_date is not None)
        assert person.birth_date < (person.death_date or TODAY)
        _check_parents(people, person)
        _check_spouse(people, person)


def _beginning(person: Person) -> str:
    century = (person.birth_date.year // 100 - 19) * 2 + (person.sex == "FEMALE")
    return f"{person.birth_province}{century}{person.birth_date:%y}"


def _check_parents(people: dict[str, Person], child: Person) -> None:
    assert (child.father_id is None) == (child.mother_id is None)
    if child.father_id is None or child.mother_id is None:
        return
    father, mother = people[child.father_id], people[child.mother_id]
    assert (father.sex, mother.sex) == ("MALE", "FEMALE")
    assert child.full_name.split()[0] == father.full_name.split()[0]
    assert 16 * 365 < (child.birth_date - mother.birth_date).days < 46 * 366
    assert (mother.death_date or TODAY) >= child.birth_date
    assert (father.death_date or TODAY) >= child.birth_date


def _check_spouse(people: dict[str, Person], person: Person) -> None:
    if person.spouse_id is None:
        assert person.marital_status != "MARRIED" or not person.alive
        return
    spouse = people[person.spouse_id]
    assert spouse.spouse_id == person.personal_id
    assert {person.sex, spouse.sex} == {"MALE", "FEMALE"}
    assert (person.marital_status, person.alive, spouse.alive) == ("MARRIED", True, True)
    assert person.residence == spouse.residence


@settings(max_examples=8, deadline=None)
@given(countries)
def test_everyone_lives_in_a_real_commune_of_its_province(country: Country) -> None:
    """The living have a residence, the dead and those who left have none; old provinces are among the 63."""
    for person in country.persons():
        assert person.birth_province in UNITS.province_of_former
        assert (person.residence is not None) == (person.status in {"ALIVE", "MISSING"})
        for stay in (person.residence, person.temporary_residence):
            if stay is not None:
                assert UNITS.communes[stay.commune].province == stay.province
                assert person.birth_date <= stay.since <= TODAY


@settings(max_examples=8, deadline=None)
@given(countries)
def test_rights_belong_to_the_living_and_add_up(country: Country) -> None:
    """The holder and the parcel exist, and the shares of each kind make one whole."""
    people = {person.personal_id: person for person in country.persons()}
    parcels = {parcel.parcel_code: parcel for parcel in country.parcels()}
    whole: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    numbers: Counter[str] = Counter()
    for right in country.rights():
        assert people[right.personal_id].alive
        assert not parcels[right.parcel_code].secret
        assert (right.mortgagee is not None) == (right.kind == "MORTGAGE")
        assert right.registered_on <= TODAY
        whole[right.parcel_code, right.kind] += Fraction(right.share_numerator, right.share_denominator)
        numbers[right.right_id] += 1
    assert set(whole.values()) <= {Fraction(1)}
    assert set(numbers.values()) <= {1}


@settings(max_examples=8, deadline=None)
@given(countries)
def test_a_parcel_is_where_its_code_says(country: Country) -> None:
    """Codes are unique; the point is inside the parcel's cell and close to the middle of its commune."""
    codes: Counter[str] = Counter()
    for parcel in country.parcels():
        commune = UNITS.communes[parcel.commune]
        assert geohash.encode(parcel.latitude, parcel.longitude) == parcel.parcel_code
        assert abs(parcel.latitude - commune.latitude) < 0.02
        assert abs(parcel.longitude - commune.longitude) < 0.02
        assert commune.province == parcel.province
        codes[parcel.parcel_code] += 1
    assert set(codes.values()) == {1}


@settings(max_examples=8, deadline=None)
@given(countries)
def test_taxes_are_owed_by_taxpayers_who_live(country: Country) -> None:
    """Each obligation has its taxpayer; land tax names a parcel that the taxpayer holds; money adds up."""
    people = {person.personal_id: person for person in country.persons()}
    held = {(right.personal_id, right.parcel_code) for right in country.rights()}
    taxpayers = {taxpayer.tax_code: taxpayer for taxpayer in country.taxpayers()}
    for taxpayer in taxpayers.values():
        assert people[taxpayer.personal_id].alive
        assert (taxpayer.former_tax_code is not None) == (taxpayer.registered_on < date(2025, 7, 1))
    for owed in country.obligations():
        assert taxpayers[owed.tax_code].personal_id == owed.personal_id
        assert 0 <= owed.paid <= owed.assessed
        assert owed.overdue == (owed.assessed - owed.paid if owed.due_date < TODAY else 0)
        if owed.tax_kind == "NON_AGRICULTURAL_LAND":
            assert (owed.personal_id, owed.parcel_code) in held
        else:
            assert owed.parcel_code is None


@settings(max_examples=8, deadline=None)
@given(countries)
def test_the_dead_pay_no_insurance(country: Country) -> None:
    """Cover belongs to people of the country, one number a person; whoever is dead or gone has none that goes on."""
    people = {person.personal_id: person for person in country.persons()}
    owner: dict[str, str] = {}
    keys: Counter[tuple[str, str]] = Counter()
    for cover in country.coverage():
        person = people[cover.personal_id]
        assert owner.setdefault(cover.social_insurance_number, cover.personal_id) == cover.personal_id
        keys[cover.social_insurance_number, cover.scheme] += 1
        assert cover.covered_from >= person.birth_date
        assert cover.months_paid >= 0
        if not person.alive:
            assert cover.covered_until is not None
            assert cover.pension_state == "NONE"
            assert cover.covered_until <= (person.death_date or TODAY)
        if cover.scheme == "HEALTH":
            assert re.fullmatch(r"[A-Z]{2}[1-5]\d{12}", cover.health_card_number or "")
            assert cover.registered_hospital
    assert set(keys.values()) <= {1}


def test_the_country_looks_like_one() -> None:
    """Ages, names and places are spread as in a real one, roughly."""
    people = list(Country(3, 6000).persons())
    living = [person for person in people if person.alive]
    children = sum(person.birth_date > date(2011, 3, 1) for person in living) / len(living)
    assert 0.17 < children < 0.3
    families = Counter(person.full_name.split()[0] for person in people)
    assert families.most_common(1)[0][0] == "Nguyễn"
    assert len({person.residence.province for person in living if person.residence}) == 34
    assert 0.46 < sum(person.sex == "FEMALE" for person in people) / len(people) < 0.52


def test_the_map_is_that_of_july_2025() -> None:
    """34 provinces from 63, and every commune lies in the province that its old one became part of."""
    assert len(UNITS.provinces) == 34
    assert len(UNITS.province_of_former) == 63
    assert set(UNITS.province_of_former.values()) == set(UNITS.provinces)
    assert {commune.province for commune in UNITS.communes.values()} == set(UNITS.provinces)
    for commune in UNITS.communes.values():
        assert UNITS.province_of_former[commune.former_province] == commune.province
        assert re.fullmatch(r"\d{5}", commune.code)


def test_the_table_of_changes_says_the_same_of_provinces() -> None:
    """A manifest's table must know each of the 63, on the day before, and lead to the one that it became part of."""
    table = read_units(CHANGES, "province_changes.csv")
    for code, province in UNITS.province_of_former.items():
        assert table.newest(code.removeprefix("0"), REFORM - timedelta(days=1)) == province
    for code in UNITS.provinces:
        assert table.newest(code, REFORM) == table.newest(code) == code
