"""The insurance registry's files into Kafka: full exports, deltas, copies, half-written and broken ones, restarts."""

from pathlib import Path
from typing import Any

import pytest

from bus.connect.place import Place
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter
from bus.model.record import Outgoing
from bus.topics import COMPACTED, TopicSpec
from connectors.insurance.source import Source

pytestmark = [pytest.mark.broker]

COVERAGE = "insurance.coverage"
COLUMNS = (
    "ma_so_bhxh;loai;so_dinh_danh;don_vi;mst_don_vi;muc_dong;tu_ngay;den_ngay;so_thang;so_the_bhyt;noi_kcb;luong_huu"
)


def line(number: int, months: int = 1, person: str | None = None) -> str:
    return f"s{number:04};BB;{person or f'p{number:04}'};Công ty;;5000000;01/02/2024;;{months};;;0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are dropped."""
    path = tmp_path / "drop"
    path.mkdir()
    return path


@pytest.fixture
def source(bus: Any, folder: Path) -> Source:
    """The folder as a source."""
    return Source(Place("insurance", bus.topics.prefix, {"folder": str(folder)}))


def drop(folder: Path, name: str, *lines: str) -> None:
    """A full file, or a delta whose lines begin with the operation, written whole."""
    header = COLUMNS if "full" in name else f"thao_tac;{COLUMNS}"
    draft = folder / f".{name}.part"
    draft.write_bytes("\r\n".join([header, *lines, ""]).encode("utf-8-sig"))
    draft.rename(folder / name)


async def months(bus: Any) -> dict[str, int]:
    """Key → months paid, as the topic says."""
    return {key: record["months_paid"] for key, record in (await bus.newest(COVERAGE)).items()}


async def test_full_and_delta(bus: Any, folder: Path, source: Source) -> None:
    """A full file, then what changed: inserted, updated, deleted by key alone; days and codes are translated."""
    drop(folder, "coverage-full-000001.csv", line(1), line(2), line(3))
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
        drop(folder, "coverage-delta-000002.csv", f"U;{line(2, 7)}", "D;s0003;BB;;;;;;;;;;", f"U;{line(4)}")
        await bus.caught_up(source, "insurance")
    assert await months(bus) == {"p0001/s0001-COMPULSORY": 1, "p0002/s0002-COMPULSORY": 7, "p0004/s0004-COMPULSORY": 1}
    words = [record.header("ce_type").rpartition(".")[2] for record in await bus.changes(COVERAGE)]
    assert sorted(words) == ["created", "deleted", "read", "read", "read", "updated"]


async def test_a_connector_goes_on_where_all_stood_together(bus: Any, folder: Path, source: Source) -> None:
    """One that stands in the topic that connectors once shared goes on there: no epoch begins, nothing comes twice."""
    drop(folder, "coverage-full-000001.csv", line(1), line(2))
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
    own, shared = bus.topics.positions("insurance"), bus.topics.shared_positions
    value = (await bus.read(own, 1))[-1].value
    await Admin(bus.access).ensure_topics([TopicSpec(shared, 1, COMPACTED)])
    writer = LogWriter(bus.access)
    await writer.start()
    for topic, stood in ((shared, value), (own, None)):
        await writer.append(Outgoing(topic, 0, b"insurance", stood))
    await writer.stop()
    drop(folder, "coverage-delta-000002.csv", f"U;{line(2, 7)}")
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
    assert (await bus.standing("insurance")).epoch == 1
    assert len(await bus.changes(COVERAGE)) == 3


async def test_a_full_file_becomes_the_difference(bus: Any, folder: Path, source: Source) -> None:
    """Of a second full file only what differs is published; what it lacks gets tombstones; the same again is silent."""
    drop(folder, "coverage-full-1.csv", *(line(n) for n in range(20)))
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
        before = len(await bus.changes(COVERAGE))
        drop(folder, "coverage-full-2.csv", *(line(n, 2 if n == 5 else 1) for n in range(18)), line(19, person="p9"))
        await bus.caught_up(source, "insurance")
        drop(folder, "coverage-full-3.csv", *(line(n, 2 if n == 5 else 1) for n in range(18)), line(19, person="p9"))
        await bus.caught_up(source, "insurance")
    after = (await bus.changes(COVERAGE))[:]
    assert len(after) - before == 4  # one update, one deletion, one that moved: its tombstone and its record
    assert len(await months(bus)) == 19
    assert "p9/s0019-COMPULSORY" in await months(bus)


async def test_a_broken_line_never_loses_the_file(bus: Any, folder: Path, source: Source) -> None:
    """A torn line and bytes that are no UTF-8 are dead letters with their original bytes; they erase nothing either."""
    drop(folder, "coverage-full-1.csv", line(1), line(2), line(3))
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
        torn = "\r\n".join([COLUMNS, line(1), 's0002;"BB;p', line(4), ""]).encode()
        (folder / "coverage-full-2.csv").write_bytes(torn.replace("Công ty".encode(), b"C\xf4ng ty", 1))
        await bus.caught_up(source, "insurance")
    assert set(await months(bus)) == {f"p000{n}/s000{n}-COMPULSORY" for n in (1, 2, 3, 4)}
    dead = {
        record.header("dead-reason"): record.value for record in await bus.read(bus.topics.deadletters_of("insurance"))
    }
    assert len(dead) == 2
    assert any(b'"BB;p' in value for value in dead.values())
    assert any(b"C\xf4ng ty" in value for value in dead.values())


async def test_a_half_written_file_waits(bus: Any, folder: Path, source: Source) -> None:
    """A file without its last line's end is not read before it has grown whole; later ones wait behind it."""
    drop(folder, "coverage-full-1.csv", line(1))
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
        (folder / "coverage-delta-2.csv").write_text(f"thao_tac;{COLUMNS}\nU;{line(1, 2)[:-4]}")
        drop(folder, "coverage-delta-3.csv", f"U;{line(5)}")
        half = folder / "coverage-delta-2.csv"

        async def looked_again() -> bool:
            return half in source._resting and source._resting[half].looks > 3

        await bus.until(looked_again)
        assert await months(bus) == {"p0001/s0001-COMPULSORY": 1}
        (folder / "coverage-delta-2.csv").write_text(f"thao_tac;{COLUMNS}\nU;{line(1, 2)}\n")
        await bus.caught_up(source, "insurance")
    assert await months(bus) == {"p0001/s0001-COMPULSORY": 2, "p0005/s0005-COMPULSORY": 1}
    assert await bus.read(bus.topics.deadletters_of("insurance")) == []


async def test_an_empty_full_file_erases_nothing(bus: Any, folder: Path, source: Source) -> None:
    """A header without lines is taken for a failed export, not for an emptied registry."""
    drop(folder, "coverage-full-1.csv", line(1))
    drop(folder, "coverage-full-2.csv")
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
    assert set(await months(bus)) == {"p0001/s0001-COMPULSORY"}


async def test_kill_9_loses_and_repeats_nothing(bus: Any, folder: Path, source: Source, connectors: Any) -> None:
    """After SIGKILLs in the middle of full files and deltas, the topic holds what the files say, and nothing twice."""
    drop(folder, "coverage-full-1.csv", *(line(n) for n in range(6000)))
    for kills in range(2):
        goal = await bus.published("insurance") + 1000
        process = connectors.start("insurance", folder=str(folder))
        await bus.until_published("insurance", goal)
        process.kill()
        process.wait()
        drop(folder, f"coverage-delta-{kills + 2}.csv", *(f"U;{line(n, kills + 2)}" for n in range(3000)))
    drop(folder, "coverage-full-4.csv", *(line(n, 9) for n in range(100, 6000)))
    connectors.start("insurance", folder=str(folder))
    await bus.caught_up(source, "insurance")
    assert await months(bus) == {f"p{n:04}/s{n:04}-COMPULSORY": 9 for n in range(100, 6000)}
    await bus.assert_unique(COVERAGE)


async def test_a_shrunken_export_waits_for_a_person(bus: Any, folder: Path, source: Source) -> None:
    """A full file that lacks a third erases nothing; dropped again with a person's confirmation, it does."""
    drop(folder, "coverage-full-1.csv", *(line(n) for n in range(60)))
    drop(folder, "coverage-full-2.csv", *(line(n, 2) for n in range(40)))
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
        held = await months(bus)
        (folder / "coverage-full-3.csv.confirmed").touch()
        drop(folder, "coverage-full-3.csv", *(line(n, 2) for n in range(40)))
        await bus.caught_up(source, "insurance")
    assert held == {f"p{n:04}/s{n:04}-COMPULSORY": 2 if n < 40 else 1 for n in range(60)}
    assert await months(bus) == {f"p{n:04}/s{n:04}-COMPULSORY": 2 for n in range(40)}


async def test_excel(bus: Any, folder: Path, source: Source) -> None:
    """A workbook is read as a CSV file is, typed cells included; one that is broken is a dead letter, not an end."""
    openpyxl = pytest.importorskip("openpyxl")
    header = COLUMNS.split(";")
    book = openpyxl.Workbook()
    for row in (header, [*line(1).split(";")[:-4], 7, None, None, 0], [None], [*line(2).split(";"), "too much"]):
        book.active.append(row)
    book.save(folder / ".draft")
    (folder / ".draft").rename(folder / "coverage-full-1.xlsx")
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
        (folder / "coverage-full-2.xlsx").write_bytes(b"PK\x05\x06" + bytes(18))
        await bus.caught_up(source, "insurance")
    assert await months(bus) == {"p0001/s0001-COMPULSORY": 7}
    reasons = [record.header("dead-reason") or "" for record in await bus.read(bus.topics.deadletters_of("insurance"))]
    assert len(reasons) == 2
    assert any("no workbook" in reason for reason in reasons)
