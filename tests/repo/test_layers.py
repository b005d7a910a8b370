"""The contracts of pyproject.toml name every package: one that nobody listed would be free of all rules."""

import ast
import tomllib
from typing import Any

import pytest

from tests.repo.tree import ROOT, dotted, named, python, tracked


@pytest.fixture(scope="module")
def contracts() -> list[dict[str, Any]]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return found


def parts_of_the_bus() -> set[str]:
    """`bus.avro`, `bus.errors`, …: what the layers are made of."""
    inside = [path.relative_to(ROOT / "bus") for path in tracked() if named(path).startswith("bus/")]
    names = {path.parts[0].removesuffix(".py") for path in inside if path.suffix == ".py"}
    return {f"bus.{name}" for name in names - {"__init__"}}


def contract(contracts: list[dict[str, Any]], beginning: str) -> dict[str, Any]:
    [found] = [one for one in contracts if one["name"].startswith(beginning)]
    return found


def test_every_contract_is_named_by_its_reason(contracts: list[dict[str, Any]]) -> None:
    """Each name must be a sentence: it is all that a failing build tells."""
    assert contracts
    for one in contracts:
        assert len(one["name"].split()) > 8, one["name"]


def test_the_layers_are_exhaustive(contracts: list[dict[str, Any]]) -> None:
    """A new package of the bus must fail the build until it has been given its layer."""
    layers = contract(contracts, "A layer knows only")
    listed = {f"bus.{name.strip()}" for layer in layers["layers"] for name in layer.split("|")}
    assert layers["exhaustive"] is True
    assert listed == parts_of_the_bus()


@pytest.mark.parametrize(
    ("beginning", "allowed"),
    [("A connector is written", {"bus.connect", "bus.model"}), ("The pretend country", {"bus.model"})],
)
def test_what_is_not_allowed_is_forbidden(contracts: list[dict[str, Any]], beginning: str, allowed: set[str]) -> None:
    """Those who may know one or two parts of the bus must be forbidden all the others, also those added later."""
    forbidden = set(contract(contracts, beginning)["forbidden_modules"])
    assert {name for name in forbidden if name.startswith("bus.")} == parts_of_the_bus() - allowed


def test_all_but_one_package_are_kept_from_kafka_clients(contracts: list[dict[str, Any]]) -> None:
    """Every package except bus.kafka must be held to use it."""
    held = set(contract(contracts, "Only bus.kafka")["source_modules"])
    assert held == parts_of_the_bus() - {"bus.kafka"} | {"connectors"}


READS_TIME = {
    *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")),
    *(f"{kind}.{name}" for kind in ("datetime", "datetime.datetime") for name in ("now", "utcnow", "today")),
    *(f"{kind}.today" for kind in ("date", "datetime.date")),
    "loop.time",
}


def test_only_the_clock_reads_the_time() -> None:
    """A function that reads the time by itself cannot be tried at another time, so all but bus.clock are handed it."""
    readers = {
        named(path)
        for path, tree in python("bus", "connectors")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and dotted(node) in READS_TIME)
        or (isinstance(node, ast.ImportFrom) and node.module == "time" and {a.name for a in node.names} != {"sleep"})
    }
    assert readers == {"bus/clock.py"}
