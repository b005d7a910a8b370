"""The bench of a lane without Kafka: it gives figures for what it has checked, and leaves Python as it was."""

import gc
import re

import pytest
from click.testing import CliRunner

from bus.bench.inside import STEPS, bench_inside
from bus.bench.least import Least
from bus.bench.workload import Change, Expected
from bus.cli import cli
from bus.errors import BenchFailed

RECORDS, SUBJECTS = 4_000, 300


def test_every_step_is_measured() -> None:
    """Each step takes time, together they are the whole, and the search for cycles is afterwards what it was."""
    before, told = gc.get_threshold(), list[str]()
    result = bench_inside(told.append, records=RECORDS, subjects=SUBJECTS)
    each = result["of_which"]
    assert set(each) == set(STEPS)
    assert min(each.values()) > 0
    assert result["cpu_microseconds_per_delivery"] == pytest.approx(sum(each.values()), abs=0.01)
    assert 0 < result["least_microseconds_per_delivery"] < result["cpu_microseconds_per_delivery"]
    assert RECORDS / 2 < result["deliveries"] < 2 * RECORDS
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)  # Python 3.12 begins with some frozen
    assert told[-1].startswith(f"{RECORDS:,} changes routed, ")


def test_no_figure_for_a_wrong_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever breaks the hot path must not be told how quick it is now."""
    add = Expected.add

    def one_too_many(expected: Expected, change: Change) -> None:
        add(expected, change)
        expected.by_agreement["person-to-tax"] += not change.living

    monkeypatch.setattr(Expected, "add", one_too_many)
    with pytest.raises(BenchFailed, match="must have"):
        bench_inside(lambda _: None, records=RECORDS, subjects=SUBJECTS)


def test_the_least_delivers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that left deliveries out would look quicker than any program can be."""
    monkeypatch.setattr(Least, "transaction", lambda _, incoming: len(incoming))
    with pytest.raises(BenchFailed, match=r"\{\} came out"):
        bench_inside(lambda _: None, records=RECORDS, subjects=SUBJECTS)


def test_the_command_says_it_in_words() -> None:
    """Without --json there is a line for each figure, and a yes or no where that is the answer."""
    answer = CliRunner().invoke(cli, ["bench", "inside", "--records", str(RECORDS), "--subjects", str(SUBJECTS)])
    lines = dict(line.split(": ", 1) for line in answer.stdout.splitlines())
    assert lines["records"] == "4,000"
    assert lines["compiled"] in {"yes", "no"}
    assert re.fullmatch(", ".join(rf"{step} \d+\.\d+" for step in STEPS), lines["of_which"])
