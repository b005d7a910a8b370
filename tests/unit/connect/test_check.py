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
            "datasets": {"test.right": {"origin": "right", "fields": {}}},
        }
    )


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
