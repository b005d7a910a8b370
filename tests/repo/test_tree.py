"""The files of the project: free of places that only one machine has, short, and with every requirement pinned."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.repo.tree import ROOT, named, python, tracked

FOREIGN = {
    "a path of one machine": re.compile(rb"(?<![\w.~}])/(?:root|work|Users|home/\w+)/"),
    "the host of a package registry": re.compile(
        rb"pypi\.org|pythonhosted\.org|repo1\.maven\.org|maven\.apache\.org/maven2|npmjs\.org|ghcr\.io", re.IGNORECASE
    ),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}

TOP = {
    *("bus", "schemas", "connectors", "seeds", "tests", "compose.yaml", "pyproject.toml", "requirements.txt"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile"),
}
"""What lies at the top, beside files whose names begin with a dot."""

LONGEST_FILE = 400
LONGEST_FUNCTION = 60


@pytest.mark.parametrize("kind", FOREIGN)
def test_nothing_foreign_is_in_the_tree(kind: str) -> None:
    """No file may name what another machine, another network or another person does not have."""
    here = named(Path(__file__))
    found = {
        f"{named(path)}: {match.group().decode()}"
        for path in tracked()
        if named(path) != here
        for match in FOREIGN[kind].finditer(path.read_bytes())
    }
    assert found == set()


def test_the_top_shows_what_the_project_is() -> None:
    """Nothing that a run leaves behind, a log for instance, becomes a part of the project."""
    tops = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in tops if not name.startswith(".")} == TOP


def test_files_are_short() -> None:
    """A Python file of more lines has more than one subject."""
    long = {
        named(path): count
        for path, _ in python("bus", "connectors", "seeds", "tests")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_functions_are_short() -> None:
    """A function of more lines does more than one thing."""
    long = {
        f"{named(path)}: {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in python("bus", "connectors", "seeds", "tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    }
    assert long == {}


def test_every_test_says_what_must_hold() -> None:
    """Each test must have a docstring, a sentence that a reader can agree or disagree with."""
    silent = [
        f"{named(path)}: {node.name}"
        for path, tree in python("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").rstrip().endswith((".", "?", ")"))
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    """A test waits for something, with a deadline; a pause of a fixed length is either too short or too long."""
    sleeping = [
        f"{named(path)}:{node.lineno}"
        for path, tree in python("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func) == "time.sleep"
    ]
    assert sleeping == []


def test_exceptions_from_the_linter_and_the_types_have_a_reason() -> None:
    """A `noqa` or a `type: ignore` must name its rules and, once in a file, say why."""
    bald = re.compile(r"#\s*(noqa|type:\s*ignore)")
    marked = re.compile(r"# (?:noqa: (?P<lint>[A-Z0-9, ]+[0-9])|type: ignore\[(?P<types>[a-z, -]+)\])(?P<reason>.*)$")
    bare: set[str] = set()
    for path, _ in python("bus", "connectors", "seeds", "tests"):
        lines = path.read_text(encoding="utf-8").splitlines() if path != Path(__file__) else []
        given = {(found["lint"] or found["types"]): "" for line in lines if (found := marked.search(line))}
        given |= {
            (found["lint"] or found["types"]): found["reason"].strip(" #-()")
            for line in lines
            if (found := marked.search(line)) and found["reason"].strip(" #-()")
        }
        bare |= {f"{named(path)}: {rules}" for rules, reason in given.items() if not reason}
        bare |= {f"{named(path)}: {line.strip()}" for line in lines if bald.search(line) and not marked.search(line)}
    assert bare == set()


def pinned() -> dict[str, tuple[Version, int]]:
    """Each package of requirements.txt, with its version and how many hashes it has."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found: dict[str, tuple[Version, int]] = {}
    for line in lines:
        requirement = Requirement(line.split(" --hash", 1)[0])
        [exactly] = requirement.specifier
        assert exactly.operator == "==", line
        found[canonicalize_name(requirement.name)] = (Version(exactly.version), line.count("--hash=sha256:"))
    return found


def test_every_requirement_is_pinned_with_hashes() -> None:
    """What is installed tomorrow must be, byte for byte, what was tried today."""
    packages = pinned()
    assert packages
    assert [name for name, (_, hashes) in packages.items() if hashes == 0] == []


def test_the_pins_cover_what_the_project_asks_for() -> None:
    """Every dependency of pyproject.toml must be pinned, at a version that it allows: else run `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])]
    packages = pinned()
    for requirement in asked:
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
