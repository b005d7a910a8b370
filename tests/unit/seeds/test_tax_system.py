"""The tax registry's service: what its feed, its pages and its clerk's interface promise."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seeds.country import Country
from seeds.systems.codes import obligation_record, taxpayer_record
from seeds.systems.store import Store
from seeds.systems.tax import KINDS, application, state_path

TOKEN = "a token"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with the taxpayers of a small country."""
    store = Store(state_path(tmp_path))
    country = Country(4, 80)
    with store.writing():
        store.load("taxpayer", ((t.tax_code, t.personal_id, taxpayer_record(t)) for t in country.taxpayers()))
        store.load(
            "obligation", ((o.obligation_id, o.personal_id, obligation_record(o)) for o in country.obligations())
        )
    yield store
    store.close()


@pytest.fixture
async def client(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A clerk with the token."""
    transport = httpx.ASGITransport(application(store, TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://tax", headers=headers) as client:
        yield client


async def feed(client: httpx.AsyncClient, after: int = 0, limit: int = 100) -> dict[str, Any]:
    """One page of the feed."""
    answer = await client.get("/feed", params={"after": after, "limit": limit})
    assert answer.status_code == 200
    page: dict[str, Any] = answer.json()
    return page


async def first(client: httpx.AsyncClient, kind: str) -> dict[str, Any]:
    """The first record of a kind."""
    record: dict[str, Any] = (await client.get(f"/{kind}", params={"limit": 1})).json()["records"][0]
    return record


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
async def test_without_the_token_nothing_is_told(store: Store, header: dict[str, str]) -> None:
    """401, and no record in the answer."""
    transport = httpx.ASGITransport(application(store, TOKEN))
    async with httpx.AsyncClient(transport=transport, base_url="http://tax", headers=header) as stranger:
        for path in ("/feed", "/taxpayers", "/obligations"):
            answer = await stranger.get(path)
            assert answer.status_code == 401
            assert answer.json() == {"error": "a bearer token is needed"}


async def test_the_feed_is_empty_until_something_changes(client: httpx.AsyncClient) -> None:
    """What was there from the beginning is read by pages, not from the feed."""
    assert await feed(client) == {"entries": [], "next": 0, "head": 0}


@pytest.mark.parametrize("kind", ["taxpayers", "obligations"])
async def test_pages_show_every_record_once_in_the_order_of_keys(
    client: httpx.AsyncClient, store: Store, kind: str
) -> None:
    """Following `next_key` to its end, whatever the size of a page."""
    key = KINDS[kind].key
    keys: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await client.get(f"/{kind}", params={"after_key": after, "limit": 7})).json()
        keys += [record[key] for record in page["records"]]
        after = page["next_key"]
    assert keys == sorted(set(keys))
    assert len(keys) == store.count(KINDS[kind].name) > 20


async def test_a_change_is_in_the_feed_with_all_fields(client: httpx.AsyncClient) -> None:
    """The clerk names what changes; the feed tells the whole record, and a page read later shows its sequence."""
    before = await first(client, "obligations")
    answer = await client.put(f"/obligations/{before['id']}", json={"paid": 17, "overdue": 0})
    assert answer.json() == {"seq": 1}
    page = await feed(client)
    [entry] = page["entries"]
    assert (entry["seq"], entry["kind"], entry["op"], entry["id"]) == (1, "obligation", "upsert", before["id"])
    changed = {"paid": 17, "overdue": 0, "modified": entry["record"]["modified"]}
    assert entry["record"] == before | changed
    assert entry["record"]["modified"] > before["modified"]
    assert (page["next"], page["head"]) == (1, 1)
    shown = (await client.get("/obligations", params={"limit": 1})).json()
    assert (shown["records"], shown["head"]) == ([entry["record"]], 1)


async def test_the_feed_is_paged_and_resumes_after_any_sequence(client: httpx.AsyncClient) -> None:
    """Reading by twos from any place gives the same entries as reading all."""
    record = await first(client, "obligations")
    for paid in range(1, 8):
        await client.put(f"/obligations/{record['id']}", json={"paid": paid})
    everything = (await feed(client))["entries"]
    for start in range(8):
        entries, after = [], start
        while page := (await feed(client, after=after, limit=2))["entries"]:
            entries += page
            after = page[-1]["seq"]
        assert entries == everything[start:]


async def test_a_new_and_a_struck_out_record_are_in_the_feed(client: httpx.AsyncClient) -> None:
    """An upsert with the record, then a delete without it."""
    record = await first(client, "taxpayers")
    record.pop("modified")
    new = record | {"taxCode": "001090999999", "personalId": "001090999999"}
    assert (await client.post("/taxpayers", json=new)).status_code == 201
    assert (await client.delete("/taxpayers/001090999999")).status_code == 200
    told = [
        (entry["op"], entry["record"] and entry["record"]["personalId"]) for entry in (await feed(client))["entries"]
    ]
    assert told == [("upsert", "001090999999"), ("delete", None)]
    assert (await client.get("/taxpayers", params={"personal_id": "001090999999"})).json()["records"] == []


async def test_mistakes_are_refused_and_leave_no_entry(client: httpx.AsyncClient) -> None:
    """Unknown records and kinds, a taken key, missing or unknown fields, a changed key, limits that are no numbers."""
    record = await first(client, "taxpayers")
    record.pop("modified")
    key = record["taxCode"]
    answers = [
        (await client.put("/taxpayers/none", json={"status": "03"}), 404),
        (await client.delete("/taxpayers/none"), 404),
        (await client.get("/dogs"), 404),
        (await client.post("/dogs", json={}), 404),
        (await client.post("/taxpayers", json=record), 409),
        (await client.post("/taxpayers", json={"taxCode": "1"}), 422),
        (await client.put(f"/taxpayers/{key}", json={"statuss": "03"}), 422),
        (await client.put(f"/taxpayers/{key}", json={"taxCode": "1"}), 422),
        (await client.get("/feed", params={"after": "x"}), 422),
        (await client.get("/taxpayers", params={"limit": "x"}), 422),
    ]
    assert [answer.status_code for answer, _ in answers] == [status for _, status in answers]
    assert (await feed(client))["head"] == 0


async def test_another_reader_of_the_file_sees_what_was_committed(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """The state outlives the process: a second store on the same file has the change."""
    record = await first(client, "obligations")
    await client.put(f"/obligations/{record['id']}", json={"paid": 3})
    other = Store(state_path(tmp_path))
    found = other.get("obligation", record["id"])
    other.close()
    assert found is not None
    assert found["paid"] == 3
