"""What the acceptance tests make of odd rows, and what they leave behind, without a database or a bus."""

import asyncio
from typing import Any, ClassVar

import pytest

from bus.avro.datasets import Dataset
from bus.connect.acceptance.case import Case, Result, Test, Verdict, passed
from bus.connect.acceptance.report import Trial
from bus.connect.acceptance.tests import a_restart_goes_on_where_it_stood, nulls_and_letters_stay_as_they_are
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import Chunk, Position, Row, as_it_came


class Sheet:
    """Rows that are made anew for each reading: the first does not fit, and the others hold numbers that are none."""

    manifest = Manifest.model_validate(
        {
            "name": "rights",
            "registry": "test",
            "kind": "postgres",
            "datasets": {"test.right": {"origin": "right", "fields": {"id": "id", "holder": "of", "worth": "worth"}}},
        }
    )
    snapshots: ClassVar[bool] = True
    old_rows: ClassVar[bool] = True
    derive = as_it_came

    def __init__(self, _: Place) -> None:
        self.rows: list[Row] = [
            {"id": str(n), "of": "a", "worth": n or "much", "ratio": float("nan")} for n in range(7)
        ]

    async def open(self, after: Position | None) -> Position:
        """From the beginning."""
        return after or {"lsn": 0}

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """By the number of the row."""
        begin = after_key or 0
        rows = tuple(self.rows[begin : begin + limit])
        return Chunk(dataset, rows, begin + limit if begin + limit < len(self.rows) else None, {"lsn": 0})

    async def close(self) -> None:
        """Nothing is open."""


class Marked(Sheet):
    """Leaves a mark at its source, as a slot is one."""

    marks: ClassVar[set[str]] = set()

    async def open(self, after: Position | None) -> Position:
        """Makes the mark."""
        self.marks.add("slot")
        return await super().open(after)

    async def forget(self) -> None:
        """Takes the mark away."""
        self.marks.clear()


async def test_each_test_leaves_the_source_as_it_was(dataset: Dataset) -> None:
    """Whoever asks for one test alone, or breaks it off, comes to no other: a slot that stayed would fill the disk."""
    case = Case(Marked, Place("rights", "", {}), {"test.right": dataset}, 200)
    await Trial(case).tried(a_restart_goes_on_where_it_stood)
    assert not Marked.marks

    opened = asyncio.Event()

    async def endless(case: Case) -> Result:
        async with case.source() as source:
            await source.open(None)
            opened.set()
            await asyncio.Event().wait()
        return passed("never")

    broken_off = asyncio.create_task(Trial(case).tried(endless))
    await opened.wait()
    broken_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await broken_off
    assert not Marked.marks


@pytest.mark.parametrize("test", [a_restart_goes_on_where_it_stood, nulls_and_letters_stay_as_they_are])
async def test_odd_rows_fail_no_test_that_is_not_about_them(dataset: Dataset, test: Test) -> None:
    """A NaN is read alike in pieces and at once, and one row that does not fit hides nothing of those that do."""
    result = await test(Case(Sheet, Place("rights", "", {}), {"test.right": dataset}, 200))
    assert result.verdict is Verdict.PASSED, result.detail
