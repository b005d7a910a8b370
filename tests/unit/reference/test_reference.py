"""The checker stands on its own, and says the same agreements as the files do."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import seeds.reference
from bus.model.keyring import KeyRing, RootKey
from seeds.reference.agreement import band, last
from seeds.reference.agreements import AGREEMENTS
from seeds.reference.pseudonyms import EPOCH, Keys, pseudonyms_of, subject_hashes

FOLDER = Path(seeds.reference.__file__).parent
BYTES = st.binary(min_size=32, max_size=32)
FILES = sorted((FOLDER.parent / "agreements").glob("*.yaml"))
BY_NAME = {agreement.name: agreement for agreement in AGREEMENTS}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_nothing_of_what_it_checks(path: Path) -> None:
    """No module imports anything of the bus or the connectors, nor of the country beside its own folder."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    assert not [name for name in modules if name.split(".")[0] in {"bus", "connectors"}]
    assert not [name for name in modules if name.startswith("seeds") and not name.startswith("seeds.reference")]


def test_every_agreement_is_said_here_and_no_other() -> None:
    """Who adds an agreement says it here as well, by hand."""
    assert sorted(BY_NAME) == [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_said_here_agrees_with_the_file(path: Path) -> None:
    """Recipient, basis, pseudonyms, days and what becomes of copies are those of the agreement's text."""
    text, said = YAML(typ="safe").load(path), BY_NAME[path.stem]
    assert said.recipient == text["recipient"]
    assert said.by_consent is ("consent" in text["basis"])
    assert said.hidden is (text["identifier"] == "pseudonym")
    assert said.keeps is (text.get("on_scope_exit") == "keep")
    assert (said.since, said.until) == (text["valid"]["from"], text["valid"].get("until"))


@given(BYTES, BYTES, st.text(max_size=40), st.sampled_from(["statistics-office", "a", "Đ"]))
def test_keyed_ids_are_those_of_the_bus(root: bytes, salt: bytes, value: str, recipient: str) -> None:
    """Two ways of computing a pseudonym and a person's hash come to the same."""
    ring = KeyRing(RootKey(root), lambda _recipient, _epoch: salt)
    assert pseudonyms_of(Keys(root, {recipient: salt}), recipient)(value) == ring.pseudonym(recipient, EPOCH, value)
    assert subject_hashes(root)(value) == ring.subject_hash(value)


@pytest.mark.parametrize(
    ("amount", "label"),
    [(0, "<5"), (4, "<5"), (5, "5..<10"), (9, "5..<10"), (10, "10..<20"), (20, ">=20"), (99, ">=20")],
)
def test_a_band_includes_its_lower_bound(amount: int, label: str) -> None:
    """An amount at a bound belongs to the band above it."""
    assert band(amount, (5, 10, 20)) == label


@pytest.mark.parametrize(("text", "shown"), [("0912345678", "***678"), ("678", "***"), ("", None), (None, None)])
def test_a_short_text_is_hidden_whole(text: str | None, shown: str | None) -> None:
    """The last characters are shown only where more are hidden."""
    assert last(text, 3) == shown
