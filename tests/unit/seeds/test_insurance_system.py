"""The insurance registry's files: whole, in order, and together the same as its records."""

import csv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seeds.country import Country
from seeds.systems.codes import Record, coverage_record
from seeds.systems.insurance import COLUMNS, COVERAGE, Exports, application, key_of, state_path
from seeds.systems.store import MADE, Store

TOKEN = "a token"


def filled(folder: Path, people: int = 60) -> Store:
    """A store with the cover of a small country."""
    store = Store(state_path(folder))
    with store.writing():
        records = ((coverage_record(cover), cover.personal_id) for cover in Country(4, people).coverage())
        store.load(COVERAGE, ((key_of(record), person, record) for record, person in records))
        store.remember(MADE, "a small country")
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A filled store."""
    store = filled(tmp_path)
    yield store
    store.close()


@pytest.fixture
def exports(store: Store, tmp_path: Path) -> Exports:
    """The files of the store, in a folder of their own."""
    return Exports(store, tmp_path / "files")


@pytest.fixture
async def clerk(store: Store, exports: Exports) -> AsyncIterator[httpx.AsyncClient]:
    """A clerk with the token; the transport starts no lifespan, so files are written only when a test says so."""
    transport = httpx.ASGITransport(application(store, exports, TOKEN, 0.5))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://insurance", headers=headers) as client:
        yield client


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """The lines of a file."""
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def told(folder: Path) -> dict[str, dict[str, str]]:
    """What someone knows who read every file in the order of their numbers."""
    known: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("coverage-*.csv"), key=lambda path: path.stem[-6:]):
        if "full" in path.name:
            known = {}
        for row in rows(folder, path.name):
            if row.pop("thao_tac", "U") == "D":
                known.pop(key_of(row), None)
            else:
                known[key_of(row)] = row
    return known


def held(store: Store) -> dict[str, Record]:
    """What the registry holds."""
    return {key_of(record): record for record in store.page(COVERAGE, after_key="", limit=100_000).records}


def test_nothing_is_written_before_the_registry_is_filled(tmp_path: Path) -> None:
    """An empty full file would tell that everybody lost their cover."""
    empty = Store(state_path(tmp_path))
    assert Exports(empty, tmp_path / "files").write_next() is None
    empty.close()


def test_the_first_file_is_full_and_in_the_agreed_form(store: Store, exports: Exports, tmp_path: Path) -> None:
    """A byte-order mark, semicolons, every column, every record; nothing else lies in the folder."""
    assert exports.write_next() == "coverage-full-000001.csv"
    raw = (tmp_path / "files" / "coverage-full-000001.csv").read_bytes()
    assert raw.startswith("\ufeff".encode() + ";".join(COLUMNS).encode() + b"\r\n")
    assert told(tmp_path / "files") == held(store)
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["coverage-full-000001.csv"]
    assert exports.write_next() is None


async def test_a_delta_tells_the_last_state_of_what_changed(
    clerk: httpx.AsyncClient, store: Store, exports: Exports, tmp_path: Path
) -> None:
    """Two changes of one record are one line, a struck-out one is a line with its key only."""
    exports.write_next()
    one, two = sorted(held(store))[:2]
    await clerk.put(f"/coverage/{one}", json={"den_ngay": "01/03/2026"})
    await clerk.put(f"/coverage/{one}", json={"den_ngay": "02/03/2026"})
    await clerk.delete(f"/coverage/{two}")
    assert (await clerk.get("/exports")).json() == {"pending": 3, "files": 1}
    assert exports.write_next() == "coverage-delta-000002.csv"
    lines = rows(tmp_path / "files", "coverage-delta-000002.csv")
    assert [(line["thao_tac"], key_of(line), line["den_ngay"]) for line in lines] == [
        ("U", one, "02/03/2026"),
        ("D", two, ""),
    ]
    assert (await clerk.get("/exports")).json() == {"pending": 0, "files": 2}
    assert told(tmp_path / "files") == held(store)


async def test_a_full_file_comes_when_asked_for(clerk: httpx.AsyncClient, store: Store, exports: Exports) -> None:
    """Once; after it, deltas go on."""
    exports.write_next()
    await clerk.post("/exports")
    assert exports.write_next() == "coverage-full-000002.csv"
    assert exports.write_next() is None
    await clerk.put(f"/coverage/{min(held(store))}", json={"so_thang": "1"})
    assert exports.write_next() == "coverage-delta-000003.csv"


async def test_a_file_cut_short_by_a_crash_is_written_again_the_same(
    clerk: httpx.AsyncClient, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash after the file appeared, before that was noted: same name, same bytes, though more has changed since."""
    folder = tmp_path / "files"
    exports = Exports(store, folder)
    exports.write_next()
    one = min(held(store))
    await clerk.put(f"/coverage/{one}", json={"so_thang": "1"})
    with monkeypatch.context() as patch:
        patch.setattr(store, "remember", crash_after_the_plan(store))
        with pytest.raises(KeyboardInterrupt):
            exports.write_next()
    first = (folder / "coverage-delta-000002.csv").read_bytes()
    await clerk.put(f"/coverage/{one}", json={"so_thang": "2"})
    again = Exports(store, folder)
    assert again.write_next() == "coverage-delta-000002.csv"
    assert (folder / "coverage-delta-000002.csv").read_bytes() == first
    assert again.write_next() == "coverage-delta-000003.csv"
    assert told(folder) == held(store)


def crash_after_the_plan(store: Store) -> Any:
    """A `remember` that keeps the plan, and ends the process at the next word."""
    real = store.remember

    def remember(name: str, value: str) -> None:
        if name != "plan":
            raise KeyboardInterrupt
        real(name, value)

    return remember


async def test_all_records_can_be_read_page_by_page(clerk: httpx.AsyncClient, store: Store) -> None:
    """Following `next_key` shows every record once; one person's are found by the personal number."""
    found: list[Record] = []
    after: str | None = ""
    while after is not None:
        page = (await clerk.get("/coverage", params={"after_key": after, "limit": 9})).json()
        found += page["records"]
        after = page["next_key"]
    assert {key_of(record): record for record in found} == held(store)
    assert len(found) == store.count(COVERAGE)
    person = found[0]["so_dinh_danh"]
    own = (await clerk.get("/coverage", params={"personal_id": person})).json()["records"]
    assert own == [record for record in found if record["so_dinh_danh"] == person]


async def test_mistakes_are_refused(clerk: httpx.AsyncClient, store: Store) -> None:
    """Unknown covers, a taken key, missing or unknown fields, a changed key; and strangers."""
    one = min(held(store))
    answers = [
        (await clerk.put("/coverage/0/YT", json={}), 404),
        (await clerk.delete("/coverage/0/YT"), 404),
        (await clerk.post("/coverage", json=held(store)[one]), 409),
        (await clerk.post("/coverage", json={"loai": "YT"}), 422),
        (await clerk.put(f"/coverage/{one}", json={"loai": "BB"}), 422),
        (await clerk.get("/coverage", headers={"Authorization": "Bearer wrong"}), 401),
    ]
    assert [answer.status_code for answer, _ in answers] == [status for _, status in answers]
    assert store.head() == 0


Act = tuple[str, int]
acts = st.lists(
    st.tuples(st.sampled_from(["change", "strike", "record", "write", "full"]), st.integers(0, 5)), max_size=30
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts)
def test_files_and_registry_agree_after_any_history(tmp_path_factory: pytest.TempPathFactory, acts: list[Act]) -> None:
    """However changes and files interleave, who reads all files knows exactly what the registry holds."""
    folder = tmp_path_factory.mktemp("insurance")
    store = filled(folder, people=6)
    exports = Exports(store, folder / "files")
    known = held(store)
    for name, which in acts:
        key = sorted(known)[which % len(known)]
        if name == "write":
            exports.write_next()
        elif name == "full":
            exports.ask_full()
        elif name == "strike" and store.get(COVERAGE, key):
            store.delete(COVERAGE, key)
        elif name in {"change", "record"}:
            store.put(COVERAGE, key, known[key]["so_dinh_danh"], known[key] | {"so_thang": str(which)})
    while exports.write_next():
        pass
    assert told(folder / "files") == held(store)
    assert exports.pending == 0
    store.close()
