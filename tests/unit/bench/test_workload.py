"""The workload, and the figures made of a run."""

import json
from typing import Any

from bus.agreements.agencies import load_agencies, load_legal_bases
from bus.agreements.check import load_agreements
from bus.agreements.compile import compile_route
from bus.avro.codec import decode, parse
from bus.avro.frame import unframe
from bus.bench.measure import Moment, between, milliseconds
from bus.bench.workload import AGREEMENTS, COUNTRY, DATASET, LANES, Change, Expected, Nation, Shape, dataset
from bus.topics import Topics


def record(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = decode(parse(dataset().schema), unframe(change.value)[1])
    return found


def test_agreements_are_real_and_mean_what_the_workload_says() -> None:
    """The four agreements pass the check, and their filters let through whom the workload counts."""
    known, agencies = {DATASET: dataset()}, load_agencies(COUNTRY / "agencies.yaml")
    bases = load_legal_bases(COUNTRY / "legal_bases.yaml")
    documents = load_agreements(COUNTRY / "agreements", known, agencies, bases)
    assert sorted(AGREEMENTS) == [document.id for document in documents]
    routes = [
        compile_route(
            document,
            known[DATASET],
            number=1,
            topic="t",
            view_schema_id=1,
            pseudonym=str,
            consent_basis_code=agencies.consent_basis,
        )
        for document in documents
    ]
    nation = Nation(1, shape=Shape(subjects=200))
    for number in range(2000):
        change = nation.change(number)
        values = record(change)
        let_through = {
            route.agreement
            for route in routes
            if route.admits(values) and (not route.needs_consent or route.agreement in change.person.consents)
        }
        assert let_through == set(change.recipients())


def test_the_shares_are_those_of_the_workload() -> None:
    """About 2.3 deliveries come of a change, and a record has about 120 bytes."""
    nation = Nation(1, shape=Shape(subjects=2000))
    drawn = [nation.change(number) for number in range(5000)]
    assert 2.2 < sum(len(change.recipients()) for change in drawn) / len(drawn) < 2.4
    assert 110 < sum(len(change.value) for change in drawn) / len(drawn) < 150


def test_the_same_people_each_time() -> None:
    """Two runs on two days measure the same bytes."""
    first, second = Nation(1, shape=Shape(subjects=50)), Nation(1, shape=Shape(subjects=50))
    assert [first.change(one).value for one in range(100)] == [second.change(one).value for one in range(100)]


def test_expected_counts_by_offset() -> None:
    """What must have come out is known for every offset of every lane, markers counted as nothing."""
    nation, expected = Nation(1, shape=Shape(subjects=50)), Expected()
    drawn = [nation.change(number) for number in range(100)]
    for change in drawn:
        expected.add(change)
    for lane in range(LANES):
        expected.marker(lane)
    assert sum(expected.ends().values()) == 100 + LANES
    assert expected.upto(expected.ends()) == (100, sum(len(change.recipients()) for change in drawn))
    assert expected.upto(dict.fromkeys(range(LANES), 0)) == (0, 0)


def test_changes_are_written_to_their_lane() -> None:
    """A change lies where a connector would put it, under the dataset's key."""
    change = Nation(1, shape=Shape(subjects=1)).change(0)
    outgoing = change.outgoing(Topics("", LANES), 0)
    assert (outgoing.topic, outgoing.partition) == (f"changes.{DATASET}", change.person.lane)
    assert outgoing.key == f"{change.person.personal_id}/{change.person.personal_id}".encode()


def test_figures() -> None:
    """CPU is given for a million deliveries, and percentiles are taken from the ordered list."""
    stretch = between(Moment(1.0, 2.0, 10, 100), Moment(3.0, 2.5, 30, 600)).as_json()
    assert stretch["cpu_seconds_per_million_deliveries"] == 1000.0
    assert stretch["deliveries_per_second"] == 250
    assert milliseconds([index / 1000 for index in range(100)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 99.0}
    assert json.dumps(stretch)
