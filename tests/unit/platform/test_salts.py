"""The salts of pseudonyms in a home: drawn once, for their owner's eyes, and gone for good when destroyed."""

import stat
from pathlib import Path

import pytest

from bus.errors import RootKeyWrong, SaltMissing
from bus.platform.home import Home
from bus.platform.salts import Salts

OFFICE = "statistics-office"


@pytest.fixture
def salts(tmp_path: Path) -> Salts:
    home = Home(tmp_path / "home")
    home.begin_root_key()
    return Salts(home)


def test_a_salt_is_drawn_once(salts: Salts) -> None:
    """An epoch begun again keeps its salt; others have others; their owner alone reads them."""
    for recipient, epoch in ((OFFICE, 1), (OFFICE, 2), ("tax-authority", 1)):
        salts.begin(recipient, epoch)
    first = salts.salt(OFFICE, 1)
    salts.begin(OFFICE, 1)
    assert salts.salt(OFFICE, 1) == first
    assert len({first, salts.salt(OFFICE, 2), salts.salt("tax-authority", 1)}) == 3
    assert len(first) == 32
    file = salts.home.secrets / f"pseudonyms/{OFFICE}/1"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_salt_is_never_made_by_its_user(salts: Salts) -> None:
    """Two machines that each drew a salt would call one person by two names: a missing one is an error."""
    with pytest.raises(SaltMissing):
        salts.keyring().pseudonyms(OFFICE, 1)
    assert not salts.home.has_secret(f"pseudonyms/{OFFICE}/1")


def test_a_destroyed_salt(salts: Salts) -> None:
    """Nothing of a destroyed salt is left, others stay, and destroying it again is no error."""
    salts.begin(OFFICE, 1)
    salts.begin(OFFICE, 2)
    kept = salts.keyring().pseudonym(OFFICE, 2, "value")
    salts.destroy(OFFICE, 1)
    salts.destroy(OFFICE, 1)
    with pytest.raises(SaltMissing):
        salts.keyring().pseudonym(OFFICE, 1, "value")
    assert salts.keyring().pseudonym(OFFICE, 2, "value") == kept
    assert [file.name for file in (salts.home.secrets / f"pseudonyms/{OFFICE}").iterdir()] == ["2"]


def test_a_ring_to_sketch_with(salts: Salts) -> None:
    """A preview needs no salt and no root key: its pseudonyms are good for itself, and it leaves nothing behind."""
    ring = salts.keyring(sketching=True)
    assert ring.pseudonym(OFFICE, 1, "value") == ring.pseudonym(OFFICE, 1, "value")
    assert ring.pseudonym(OFFICE, 1, "value") != salts.keyring(sketching=True).pseudonym(OFFICE, 1, "value")
    assert not salts.home.has_secret(f"pseudonyms/{OFFICE}/1")
    salts.home.forget_secret("root.key")
    assert salts.keyring(sketching=True).pseudonym(OFFICE, 1, "value")
    assert not salts.home.has_secret("root.key")


def test_a_check_tells_the_right_salt(salts: Salts) -> None:
    """Rings of one salt agree on its check, a ring of another one does not."""
    salts.begin(OFFICE, 1)
    salts.begin(OFFICE, 2)
    check = salts.keyring().pseudonym_check(OFFICE, 1)
    assert salts.keyring().pseudonym_check(OFFICE, 1) == check
    assert salts.keyring().pseudonym_check(OFFICE, 2) != check
    assert check not in {salts.keyring().pseudonym(OFFICE, 1, text) for text in ("", OFFICE, "1")}


@pytest.mark.parametrize("sketching", [False, True])
def test_a_root_key_of_another_bus_makes_no_ring(salts: Salts, *, sketching: bool) -> None:
    """What the founding tells of the root key lets that one pass and no other; a bus that tells nothing goes on."""
    check = salts.keyring().root_check()
    assert salts.keyring(check, sketching=sketching).root_check() == check
    salts.home.forget_secret("root.key")
    salts.home.begin_root_key()
    with pytest.raises(RootKeyWrong, match=str(salts.home.secrets / "root.key")):
        salts.keyring(check, sketching=sketching)
    assert salts.keyring(None, sketching=sketching).root_check() != check
