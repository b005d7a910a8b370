"""The registry's HTTP surface over a log in memory: what Confluent's own client never asks."""

import json
from base64 import b64encode
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.registry.app import application
from bus.avro.registry.requests import MAX_BODY_BYTES
from bus.avro.registry.store import SchemaStore
from bus.errors import KafkaUnreachable, SchemaUnknown
from bus.model.record import Incoming


class FailingLog:
    """A log in memory that fails as often as it is told to, before or after it has written."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.reads_that_fail = 0
        self.answers_that_are_lost = 0

    async def append(self, _key: bytes, value: bytes) -> int:
        self.entries.append(value)
        if self.answers_that_are_lost:
            self.answers_that_are_lost -= 1
            raise TimeoutError
        return len(self.entries) - 1

    async def read_from(self, offset: int) -> list[Incoming]:
        if self.reads_that_fail:
            self.reads_that_fail -= 1
            raise KafkaUnreachable(bootstrap="broker:9092", reason="gone")
        return [Incoming("schemas", 0, at, 0, b"", self.entries[at]) for at in range(offset, len(self.entries))]


@pytest.fixture
def log() -> FailingLog:
    return FailingLog()


@pytest.fixture
def app(log: FailingLog) -> Starlette:
    return application(SchemaStore(log))


@pytest.fixture
def http(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry")


def body(schema: Any) -> dict[str, str]:
    return {"schema": json.dumps(schema)}


async def register(http: httpx.AsyncClient, subject: str, *schemas: Any) -> None:
    await http.put(f"/config/{subject}", json={"compatibility": "NONE"})
    for schema in schemas:
        assert (await http.post(f"/subjects/{subject}/versions", json=body(schema))).status_code == 200


async def test_a_broken_store_is_no_verdict(http: httpx.AsyncClient, log: FailingLog) -> None:
    """While the topic does not answer the registry says so, and never that a schema is unknown; then it goes on."""
    await register(http, "s", "int")
    log.reads_that_fail = 1
    answer = await http.get("/schemas/ids/2")
    assert (answer.status_code, answer.json()["error_code"]) == (500, 50001)
    assert (await http.get("/schemas/ids/2")).json()["error_code"] == 40403
    log.reads_that_fail = 1
    assert (await http.get("/schemas/ids/1")).status_code == 200


async def test_a_lost_answer_is_asked_again(http: httpx.AsyncClient, log: FailingLog) -> None:
    """When it is not known whether an entry was written, trying again finds it, and makes no second version."""
    log.answers_that_are_lost = 1
    assert (await http.post("/subjects/s/versions", json=body("int"))).status_code == 500
    assert (await http.post("/subjects/s/versions", json=body("int"))).json() == {"id": 1}
    assert (await http.get("/subjects/s/versions")).json() == [1]


async def test_lists(http: httpx.AsyncClient) -> None:
    """Lists can be narrowed to a prefix, to the deleted, to the latest, and to a stretch."""
    await register(http, "a/x", "int", "long")
    await register(http, "b", "int")
    await http.delete("/subjects/b")

    async def asked(path: str) -> Any:
        return (await http.get(path)).json()

    assert await asked("/subjects") == ["a/x"]
    assert await asked("/subjects?deleted=true") == ["a/x", "b"]
    assert await asked("/subjects?deletedOnly=true") == ["b"]
    assert await asked("/subjects?deleted=true&subjectPrefix=a/") == ["a/x"]
    assert await asked("/subjects?deleted=true&offset=1&limit=-1") == ["b"]
    assert await asked("/subjects/a%2Fx/versions?limit=1") == [1]
    assert [one["version"] for one in await asked("/schemas")] == [1, 2]
    assert [one["version"] for one in await asked("/schemas?latestOnly=true")] == [2]
    assert await asked("/schemas/ids/1/subjects") == ["a/x"]
    assert await asked("/schemas/ids/1/subjects?deleted=true") == ["a/x", "b"]
    assert await asked("/schemas/ids/2/versions") == [{"subject": "a/x", "version": 2}]
    assert await asked("/schemas/ids/2/schema") == "long"
    assert await asked("/subjects/a%2Fx/versions/2/schema") == "long"
    assert await asked("/subjects/a%2Fx/versions/2/referencedby") == []
    assert await asked("/schemas/types") == ["AVRO"]
    assert await asked("/") == {}


async def test_levels_and_modes(http: httpx.AsyncClient) -> None:
    """A level taken back gives way to that of all; the mode is one, and says so when another is asked for."""
    await http.put("/config", json={"compatibility": "full"})
    await register(http, "s", "int")
    assert (await http.get("/config/s")).json() == {"compatibilityLevel": "NONE"}
    assert (await http.delete("/config/s")).json() == {"compatibilityLevel": "NONE"}
    assert (await http.delete("/config/s")).json()["error_code"] == 40408
    assert (await http.get("/config/s?defaultToGlobal=true")).json() == {"compatibilityLevel": "FULL"}
    assert (await http.get("/mode")).json() == {"mode": "READWRITE"}
    assert (await http.get("/mode/s")).json()["error_code"] == 40409
    assert (await http.put("/mode", json={"mode": "READWRITE"})).status_code == 200
    assert (await http.put("/mode/s", json={"mode": "READONLY"})).json()["error_code"] == 42205
    assert (await http.put("/mode", json={"mode": "ASLEEP"})).json()["error_code"] == 42204


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", 422), (b"\xff", 422), (b"[" * 9999, 422), (b" " * (MAX_BODY_BYTES + 1), 422), (b"[]", 42201)],
)
async def test_bodies_that_are_none(http: httpx.AsyncClient, content: bytes, code: int) -> None:
    """A body that is no JSON, or too large, is refused before anything is made of it."""
    answer = await http.post("/subjects/s/versions", content=content)
    assert (answer.status_code, answer.json()["error_code"]) == (422, code)


async def test_what_it_denies_is_not_there(app: Starlette) -> None:
    """It reads to the end of its topic before it denies an id, and says so: nobody doubts it, wherever it is."""
    access = RegistryAccess("http://registry", settles_seconds=3600)
    async with SchemaRegistryClient(access, transport=httpx.ASGITransport(app)) as client:
        with pytest.raises(SchemaUnknown):
            await client.schema(1)


async def test_a_type_that_is_none(http: httpx.AsyncClient) -> None:
    """A type of schema that nobody knows is refused with the code for a schema that is invalid."""
    answer = await http.post("/subjects/s/versions", json=body("string") | {"schemaType": "NONSENSE"})
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)


async def test_asking_first_looks_at_every_version(http: httpx.AsyncClient) -> None:
    """What can't follow the first version is told without registering it, though the newest has nothing against it."""
    await register(http, "s", "int", "string")
    await http.delete("/config/s")
    asked = "/compatibility/subjects/s/versions"
    assert not (await http.post(asked, json=body("string"))).json()["is_compatible"]
    assert (await http.post(f"{asked}/latest", json=body("string"))).json()["is_compatible"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PATCH", "/subjects", 405)])
async def test_what_the_api_does_not_have(http: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """A path or method that is not there is answered in the API's form too."""
    answer = await http.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, status)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic !!!", "Basic d3Jvbmc=", "Digest right"])
async def test_tokens_that_are_none(log: FailingLog, given: str) -> None:
    """Without the right token nothing is written; a lookup and a question of compatibility need none."""
    guarded = httpx.ASGITransport(application(SchemaStore(log), write_token="right"))
    async with httpx.AsyncClient(transport=guarded, base_url="http://registry") as http:
        for method, path in (("POST", "/subjects/s/versions"), ("PUT", "/config"), ("DELETE", "/subjects/s")):
            answer = await http.request(method, path, json=body("int"), headers={"authorization": given})
            assert (answer.status_code, answer.json()["error_code"]) == (401, 40101)
        assert (await http.post("/subjects/s", json=body("int"))).json()["error_code"] == 40401
        assert (await http.post("/compatibility/subjects/s/versions", json=body("int"))).json()["is_compatible"]
    assert log.entries == []


async def test_a_subject_always_takes_another_version(http: httpx.AsyncClient) -> None:
    """What the registry took it can hold the next version against: a schema too deep for that is refused at once."""
    deep, deepest = ('{"type": "array", "items": ' * levels + '"int"' + "}" * levels for levels in (200, 700))
    for text, status in ((deep, 200), (deepest, 422), (deep.replace("int", "long"), 200)):
        answer = await http.post("/subjects/s/versions", json={"schema": text})
        assert answer.status_code == status, answer.text


async def test_a_number_without_an_end(http: httpx.AsyncClient) -> None:
    """A version of more digits than Python reads is none, like any other that is too large."""
    await register(http, "s", "int")
    assert (await http.get(f"/subjects/s/versions/{'9' * 5000}")).status_code == 422


async def test_who_goes_in_the_midst_of_a_body(app: Starlette) -> None:
    """A client that breaks off what it sends is no failure of the registry, and leaves nothing behind."""
    coming = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    told: list[Any] = []

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/subjects/s/versions", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    assert told[0]["status"] == 400


async def test_a_web_page_changes_nothing(log: FailingLog) -> None:
    """What a page of the web has an operator's browser send is refused, unless it has the token itself."""
    page, login = {"origin": "https://elsewhere.example"}, {"authorization": "Basic " + b64encode(b"x:right").decode()}
    for token, headers, status in (
        (None, page, 422),
        ("right", page | login, 422),
        ("right", page | {"authorization": "Bearer right"}, 200),
        ("right", login, 200),
        (None, {}, 200),
    ):
        app = httpx.ASGITransport(application(SchemaStore(log), write_token=token))
        async with httpx.AsyncClient(transport=app, base_url="http://registry", headers=headers) as http:
            answer = await http.post("/subjects/s/versions", json=body("int"))
            assert (answer.status_code, (await http.get("/subjects")).status_code) == (status, 200), (token, headers)
