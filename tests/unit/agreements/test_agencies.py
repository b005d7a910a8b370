"""The file of agencies and that of legal bases."""

from pathlib import Path

import pytest

from bus.agreements.agencies import load_agencies, load_legal_bases
from bus.errors import CountryFileWrong
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS

SOUND = """\
timezone: Asia/Ho_Chi_Minh
languages: [en]
consent_basis: C-1
agencies:
  - {id: one, name: {en: One}, kind: office, registries: [r]}
"""


def test_every_registry_has_an_owner() -> None:
    """Each registry of the pretend country is run by exactly one agency."""
    for registry in {dataset.registry for dataset in DATASETS.values()}:
        assert AGENCIES.registry_owner(registry) is not None
        assert sum(registry in agency.registries for agency in AGENCIES.agencies) == 1


def test_every_name_is_given_in_every_language() -> None:
    """Agencies and legal bases have their names in each language of the country; consent's own basis is listed."""
    for agency in AGENCIES.agencies:
        assert set(agency.name) == set(AGENCIES.languages)
    for basis in BASES.values():
        assert set(basis.title) == set(AGENCIES.languages)
    assert BASES[AGENCIES.consent_basis].consent


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Asia/Ho_Chi_Minh", "Asia/Nowhere", "no such time zone: Asia/Nowhere"),
        ("consent_basis: C-1\n", "", "consent_basis"),
        ("kind: office", "kind: office, colour: red", "agencies.0.colour"),
        ("languages: [en]", "languages: []", "languages"),
        ("id: one", "id: One", "agencies.0.id"),
        ("agencies:\n", "agencies:\n  - {id: one, name: {en: Again}, kind: office}\n", "given twice: one"),
        ("timezone:", "timezone: [", "agencies.yaml cannot be used"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A wrong file of agencies is refused, and the error names the place."""
    file = tmp_path / "agencies.yaml"
    assert old in SOUND
    file.write_text(SOUND.replace(old, new), encoding="utf-8")
    with pytest.raises(CountryFileWrong) as caught:
        load_agencies(file)
    assert told in str(caught.value)


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    """The sound file behind the cases above is one."""
    file = tmp_path / "agencies.yaml"
    file.write_text(SOUND, encoding="utf-8")
    agencies = load_agencies(file)
    assert [agency.id for agency in agencies.agencies] == ["one"]
    assert agencies.registry_owner("r") is agencies.agency("one")
    with pytest.raises(CountryFileWrong):
        load_legal_bases(file)
