"""A folder as a source, file by file: what is read, what is told, and what waits."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bus.connect.files import FilesSource
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import ExportEnded, Position, Seen, SourceChange, SourceEvent, Unreadable
from bus.errors import SourceUnreachable
from bus.model.change import Operation

MANIFEST = Manifest.model_validate(
    {
        "name": "one",
        "registry": "one",
        "kind": "files",
        "files": {"operation_column": "op", "deleted": ["D"], "rest_seconds": 0, "unended_seconds": 0},
        "datasets": {
            "one.thing": {"origin": "thing", "fields": {"id": "id"}},
            "one.other": {"origin": "other", "fields": {"id": "id"}},
        },
    }
)
START: Position = {"rank": 0, "line": None, "digest": "", "attempt": 0}


class Source(FilesSource):
    """Two kinds of files."""

    manifest = MANIFEST


async def until_idle(source: FilesSource, after: Position = START) -> list[SourceEvent]:
    """What the source tells before it has nothing more."""
    told: list[SourceEvent] = []
    stream = source.changes(after)
    idle = 0
    async for events in stream:
        told += events
        idle = idle + 1 if len(events) == 1 and isinstance(events[0], Seen) else 0
        if idle > 1:  # a file is looked at twice before it is read
            break
    await stream.aclose()  # type: ignore[attr-defined] # it is an async generator
    return told


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """The folder of the test."""
    return Source(Place("one", "", {"folder": str(tmp_path)}))


async def test_a_file_that_comes_too_late_is_told(tmp_path: Path, source: Source) -> None:
    """A file of a rank that was passed, or of one that another file had, is named; those of the start are not."""
    for name in ("thing-full-3.csv", "thing-full-4.csv"):
        (tmp_path / name).write_text("id\n1\n")
    told = await until_idle(source, {**START, "rank": 4})
    (tmp_path / "thing-full-2.csv").write_text("id\n1\n")
    (tmp_path / "other-full-5.csv").write_text("id\n1\n")
    (tmp_path / "thing-delta-5.csv").write_text("id,op\n1,D\n")
    with capture_logs() as logged:
        told = await until_idle(source, told[-1].position)
    assert told[-1].position["rank"] == 5
    assert [one["file"] for one in logged if one["event"] == "file-ignored"] == [
        "thing-full-2.csv",
        "thing-delta-5.csv",
    ]


async def test_a_file_that_goes_away_half_read_is_told(tmp_path: Path, source: Source) -> None:
    """Its rest is in no topic: the log says so, before the next file is read; one that was read whole may go."""
    (tmp_path / "thing-full-3.csv").write_text("id\n1\n")
    with capture_logs() as logged:
        await until_idle(source, {"rank": 2, "line": 1, "digest": "-", "attempt": 0})
        await until_idle(source, {**START, "rank": 2})
    ignored = [one for one in logged if one["event"] == "file-ignored"]
    assert [(one["file"], "last line" in one["reason"]) for one in ignored] == [("that of rank 2", True)]


async def test_a_delta_says_of_each_row_what_became_of_it(tmp_path: Path, source: Source) -> None:
    """Without the operation nobody knows whether a row was deleted: it is a dead letter, and no update."""
    (tmp_path / "thing-delta-1.csv").write_text("id,Op\n1,D\n")
    (tmp_path / "thing-delta-2.jsonl").write_text('{"id": "1", "op": "D"}\n{"id": "3"}\n')
    found = [one for one in await until_idle(source) if isinstance(one, SourceChange | Unreadable)]
    assert [one.operation if isinstance(one, SourceChange) else one.original for one in found] == [
        b'{"Op": "D", "id": "1"}',
        Operation.DELETED,
        b'{"id": "3"}',
    ]


@pytest.mark.parametrize("written", ["D", " d ", "d\u00a0", "\uff24"])
async def test_a_deletion_counts_in_each_form_of_it(tmp_path: Path, source: Source, written: str) -> None:
    """Taken for an update, what the registry deleted would be released once more and kept."""
    (tmp_path / "thing-delta-1.csv").write_text(f"id,op\n1,{written}\n", encoding="utf-8")
    (found,) = [one for one in await until_idle(source) if isinstance(one, SourceChange)]
    assert found.operation is Operation.DELETED


@pytest.mark.parametrize("step", ["looks_whole", "_digest", "opened"])
async def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It is waited for with its reason in the log, also where it goes while it is read."""

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "thing-full-1.csv").write_text("id\n1\n")
    monkeypatch.setattr(f"bus.connect.files.{step}", refused)
    with pytest.raises(SourceUnreachable, match=r"thing-full-1\.csv cannot be read \(Permission denied\)"):
        await until_idle(source)
    monkeypatch.undo()
    assert (await until_idle(source))[-1].position["rank"] == 1


async def test_a_folder_that_cannot_be_looked_into_is_waited_for(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its names may be told while nothing of it can be reached, as on a share that went away; the reason is told."""

    def stale(_: Path) -> bool:
        raise OSError(116, "Stale file handle")

    (tmp_path / "thing-full-1.csv").write_text("id\n1\n")
    with monkeypatch.context() as away:
        away.setattr(Path, "is_file", stale)
        away.setattr(Path, "is_dir", stale)
        for asked in (source.open(None), source.head(), until_idle(source)):
            with pytest.raises(SourceUnreachable, match=r"cannot be read \(Stale file handle\)"):
                await asked
    assert (await until_idle(source))[-1].position["rank"] == 1


async def test_what_is_no_file_holds_nothing_up(tmp_path: Path, source: Source) -> None:
    """A folder or a pipe that has the name of a file is none."""
    (tmp_path / "thing-full-1.csv").mkdir()
    os.mkfifo(tmp_path / "thing-full-2.csv")
    (tmp_path / "thing-full-3.csv").write_text("id\n1\n")
    assert (await until_idle(source))[-1].position["rank"] == 3


async def test_a_link_out_of_the_folder_is_not_followed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, source: Source
) -> None:
    """Who may drop files may not have others of this machine read; a link within the folder is followed."""
    foreign = tmp_path_factory.mktemp("foreign") / "thing-full-9.csv"
    foreign.write_text("id\nsecret\n")
    (tmp_path / "thing-full-1.csv").symlink_to(foreign)
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "two").write_text("id\n2\n")
    (tmp_path / "thing-full-2.csv").symlink_to("hidden/two")
    with capture_logs() as logged:
        told = await until_idle(source)
    assert [one.new for one in told if isinstance(one, SourceChange)] == [{"id": "2"}]
    assert [one["file"] for one in logged if one["event"] == "file-ignored"] == ["thing-full-1.csv"]


async def test_a_file_that_is_replaced_after_it_was_read_is_told(tmp_path: Path, source: Source) -> None:
    """New content under a name that was read is not read: that must be in the log, once for each content."""
    file = tmp_path / "thing-full-1.csv"
    file.write_text("id\n1\n")
    told = await until_idle(source)
    with capture_logs() as logged:
        told = await until_idle(source, told[-1].position)
        file.write_text("id\n1\n2\n")
        await until_idle(source, told[-1].position)
    assert [one["file"] for one in logged if one["event"] == "file-ignored"] == ["thing-full-1.csv"]


@pytest.mark.parametrize("name", ["thing-full-1.csv", "thing-delta-1.csv"])
async def test_a_file_that_is_written_anew_while_it_is_read_is_begun_anew(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of a mixture of two contents nothing may be concluded: an export's end would erase what neither of them lacks."""
    monkeypatch.setattr("bus.connect.files.LINES_AT_ONCE", 1)
    file = tmp_path / name
    file.write_text("id,op\n" + "".join(f"{n},U\n" for n in range(1000)))
    told: list[SourceEvent] = []

    async def read() -> None:
        async for events in source.changes(START):
            told.extend(events)
            if isinstance(events[0], SourceChange):
                file.write_text("id,op\n1,U\n2,U\n")
            if events[-1].position["line"] is None and events[-1].position["rank"] == 1:
                break

    with pytest.raises(SourceUnreachable, match=f"{name} was written anew while it was read"):
        await read()
    assert not any(isinstance(event, ExportEnded) for event in told)
    position = told[-1].position
    assert (position["rank"], position["line"] is None) == (1, False)
    again = await until_idle(source, position)
    assert [one.new["id"] for one in again if isinstance(one, SourceChange) and one.new] == ["1", "2"]
    assert again[-1].position["line"] is None
