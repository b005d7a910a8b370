"""What the READMEs say is there, is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.repo import settings_table
from tests.repo.tree import ROOT, named, python, tracked

TOLD_BY_THEIR_FOLDER = {
    "bus/agreements/filters",
    "bus/agreements/words",
    "bus/avro/registry",
    "bus/connect/acceptance",
    "bus/connect/postgres",
    "bus/register/pages",
    "bus/route/foresight",
}
"""Inner folders: the README of the package above speaks for them."""

NOT_SETTINGS = {"BUS_READY_FILE"}
"""Handed from a parent to its child, never by a person."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]


def folders_of_code() -> set[str]:
    """Every package of the bus, and the folders beside it."""
    packages = {named(path.parent) for path in tracked() if path.name == "__init__.py"}
    return {name for name in packages if name.startswith("bus")} | {"connectors", "seeds", "schemas", "tests"}


@pytest.mark.parametrize("folder", sorted(folders_of_code() - TOLD_BY_THEIR_FOLDER))
def test_a_folder_opens_with_a_readme(folder: str) -> None:
    """Whoever comes to a folder must be told what it is before they read code, and shortly."""
    readme = ROOT / folder / "README.md"
    assert readme.is_file(), f"{folder} has no README.md"
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) < 200


@pytest.mark.parametrize("document", DOCUMENTS, ids=map(named, DOCUMENTS))
def test_links_lead_somewhere(document: Path) -> None:
    """A link to a file of the project must name a file or a folder that exists."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    """The first page must stay one that a newcomer reads to its end."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def test_every_setting_is_in_the_table() -> None:
    """The table of settings must be the one that bus/settings.py makes: run `python -m tests.repo.settings_table`."""
    readme = settings_table.README.read_text(encoding="utf-8")
    assert settings_table.written(readme) == settings_table.table()


def test_every_setting_says_what_it_is() -> None:
    """A variable without a description is one that only its author can use."""
    for name, _, description in settings_table.variables():
        assert len(description.split()) > 1, name


def test_no_document_or_message_names_a_setting_that_does_not_exist() -> None:
    """A BUS_ variable in a README, an error or a help text must be one that something reads."""
    known = {name for name, _, _ in settings_table.variables()} | NOT_SETTINGS
    strangers = {
        f"{named(path)}: {word}"
        for path in tracked()
        if path.suffix in {".md", ".py"} and not named(path).startswith("tests/")
        for word in re.findall(r"\bBUS_[A-Z_]*[A-Z]\b(?![_…])", path.read_text(encoding="utf-8"))
        if word not in known
    }
    assert strangers == set()


def test_tests_that_documents_name_exist() -> None:
    """A test that a README names as proof must be there."""
    there = {node.name for _, tree in python("tests") for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
    told = {(named(path), name) for path in DOCUMENTS for name in re.findall(r"`(test_\w+)`", path.read_text())}
    assert told
    assert sorted(one for one in told if one[1] not in there) == []


def test_every_case_of_the_lane_is_shown_by_a_test() -> None:
    """In the table of the router's semantics each case must name its test."""
    part = (ROOT / "bus/route/README.md").read_text().partition("## Semantics")[2].partition("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert [row for row in rows if not re.search(r"\| `test_\w+`.* \|$", row)] == []
