"""What `check` finds where neither a database nor a bus is needed."""

import os
from pathlib import Path

import pytest

from bus.clock import now_ms
from bus.connect import FilesSource
from bus.connect.check import check
from bus.connect.findings import Finding, Weight
from bus.connect.manifest import Manifest
from bus.connect.place import Place


class Drops(FilesSource):
    """A folder of exports."""

    manifest = Manifest.model_validate(
        {
            "name": "drops",
            "registry": "test",
            "kind": "files",
            "files": {"operation_column": "op", "deleted": ["D"]},
            "datasets": {
                "test.left": {"origin": "left", "fields": {}},
                "test.right": {"origin": "right", "fields": {}},
            },
        }
    )


async def told(folder: Path) -> list[str]:
    """Every warning and its remedy."""
    found = await check(Drops, Place("drops", "", {"folder": str(folder)}))
    return [f"{one.what}: {one.remedy}" for one in found if one.weight is Weight.WARNING]


async def about_time(folder: Path) -> list[Finding]:
    """The findings that name a clock."""
    return [one for one in await check(Drops, Place("drops", "", {"folder": str(folder)})) if "clock" in one.what]


@pytest.mark.parametrize("ahead_seconds", [-1_000_000, 0, 3600])
async def test_a_file_of_the_future(tmp_path: Path, ahead_seconds: int) -> None:
    """A file that is dated ahead of our clock is told with a remedy; one of the past says nothing of any clock."""
    dated = now_ms() / 1000 + ahead_seconds
    (tmp_path / "right-full-1.csv").write_text("ma,chu\n")
    os.utime(tmp_path / "right-full-1.csv", (dated, dated))
    (found,) = await about_time(tmp_path)
    if ahead_seconds > 0:
        assert found.weight is Weight.WARNING
        assert "ahead of our clock" in found.what
        assert "NTP" in found.remedy
    else:
        assert found.weight is Weight.GOOD


async def test_an_empty_folder(tmp_path: Path) -> None:
    """A folder without files tells nothing of a clock, and a folder that is not there is an error with a remedy."""
    assert await about_time(tmp_path) == []
    found = await check(Drops, Place("drops", "", {"folder": str(tmp_path / "none")}))
    assert [one.weight for one in found if one.remedy] == [Weight.ERROR]


async def test_files_of_one_rank(tmp_path: Path) -> None:
    """Of two files with one rank the second is never read, whatever it holds: both are named before that happens."""
    for name in ("left-full-1.csv", "left-delta-2.csv", "right-full-3.csv"):
        (tmp_path / name).write_text("ma,chu\n")
    assert await told(tmp_path) == []
    (tmp_path / "right-full-000001.xlsx").write_bytes(b"")
    (found,) = await told(tmp_path)
    assert found.startswith(
        "left-full-1.csv and right-full-000001.xlsx have one rank: only the first of them is read: "
    )
    assert "one row of numbers for all datasets" in found


async def test_files_whose_names_end_otherwise(tmp_path: Path) -> None:
    """A packed export is never read: it is named before somebody waits for it; a confirmation beside one is none."""
    for name in ("left-full-1.csv", "left-full-1.csv.confirmed", "other-full-2.csv.gz"):
        (tmp_path / name).write_bytes(b"ma,chu\n")
    assert await told(tmp_path) == []
    (tmp_path / "Left-full-2.csv.gz").write_bytes(b"")
    (found,) = await told(tmp_path)
    assert found.startswith("Left-full-2.csv.gz: not read, for their names end otherwise: ")
    assert "unpack what is packed" in found


async def test_files_with_other_names(tmp_path: Path) -> None:
    """A folder in which nothing has a name that is read is told, with a name that is; the files' own are not."""
    (tmp_path / "Nguyen Van An.xlsx").write_bytes(b"")
    (found,) = await told(tmp_path)
    assert "of 1 files in its folder none has a name that is read" in found
    assert "left-full-1.csv is one" in found
    assert "Nguyen" not in found
