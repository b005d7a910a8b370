"""The registry client at the edge of the network: what it asks, what it keeps, and how it tells trouble apart."""

import json
from collections.abc import Callable

import httpx
import pytest

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient, trouble_of, value_subject
from bus.errors import RecordUnreadable, SchemaRefused, SchemaRegistryUnreachable, SchemaUnknown
from bus.route.schemas import Schemas

Answer = Callable[[httpx.Request], httpx.Response]
SCHEMA = {"type": "int", "logicalType": "date"}


class Wire:
    """A transport that answers as told and keeps what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[httpx.Request] = []
        self._answer = answer

    def client(self, token: str | None = None) -> SchemaRegistryClient:
        access = RegistryAccess("http://registry:8081/", token)
        return SchemaRegistryClient(access, transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self._answer(request)


def answering(status: int, body: object) -> Answer:
    return lambda _request: httpx.Response(status, json=body)


def refusing(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def test_an_id_is_asked_for_once() -> None:
    """A schema by id is fetched once, and parsed once for each way of reading."""
    wire = Wire(answering(200, {"schema": json.dumps(SCHEMA)}))
    client = wire.client()
    assert client.known(7) is None
    assert await client.schema(7) == await client.schema(7) == SCHEMA
    raw = await client.parsed(7)
    logical = await client.parsed(7, logical=True)
    assert (raw.schema_id, raw.logical, logical.logical) == (7, False, True)
    assert client.known(7) is raw
    assert client.known(7, logical=True) is logical
    assert [request.url.path for request in wire.asked] == ["/schemas/ids/7"]


@pytest.mark.parametrize("breaks", [1, 2])
async def test_a_connection_that_was_just_being_closed_is_no_trouble(breaks: int) -> None:
    """A server may close one that was idle just as it is used: the question is asked once more, not a third time."""
    left = [httpx.ReadError("closed"), httpx.RemoteProtocolError("closed")][:breaks]

    def closing(request: httpx.Request) -> httpx.Response:
        if left:
            raise left.pop()
        return httpx.Response(200, json={"schema": json.dumps(SCHEMA)})

    wire = Wire(closing)
    if breaks == 1:
        assert await wire.client().schema(7) == SCHEMA
    else:
        with pytest.raises(SchemaRegistryUnreachable, match="it broke off"):
            await wire.client().schema(7)
    assert len(wire.asked) == 2


async def test_what_a_bus_had_there_can_be_deleted() -> None:
    """Of all subjects only those that begin so, each for good; a registry that keeps what it has is no error."""
    wire = Wire(
        lambda request: httpx.Response(200, json=["b.x-value", "a.y-value"] if request.method == "GET" else [1])
    )
    client = wire.client()
    assert await client.subjects("a.") == ["a.y-value"]
    assert await client.delete("a.y-value")
    deleted = [str(one.url) for one in wire.asked if one.method == "DELETE"]
    assert deleted == [f"http://registry:8081/subjects/a.y-value{how}" for how in ("", "?permanent=true")]
    assert not await Wire(answering(405, {})).client().delete("a.y-value")


def empty_registry(request: httpx.Request) -> httpx.Response:
    """Takes what is registered, and knows nothing before."""
    if request.url.path.endswith("/versions"):
        return httpx.Response(200, json={"id": 3})
    return httpx.Response(404, json={"error_code": 40401, "message": "no such subject"})


async def test_registers_once() -> None:
    """A new schema is looked up, then sent, under a subject that may contain anything; after that its id is kept."""
    wire = Wire(empty_registry)
    client = wire.client(token="t0ken")
    assert await client.register("a/b c", SCHEMA) == await client.register("a/b c", SCHEMA) == 3
    assert [asked.url.raw_path for asked in wire.asked] == [b"/subjects/a%2Fb%20c", b"/subjects/a%2Fb%20c/versions"]
    assert all(asked.headers["authorization"] == "Bearer t0ken" for asked in wire.asked)
    assert all(json.loads(json.loads(asked.content)["schema"]) == SCHEMA for asked in wire.asked)


async def test_what_is_registered_needs_no_right_to_write() -> None:
    """A schema that the subject has is only looked up."""
    wire = Wire(answering(200, {"subject": "s", "version": 1, "id": 5, "schema": "{}"}))
    assert await wire.client().register("s", SCHEMA) == 5
    assert [asked.url.path for asked in wire.asked] == ["/subjects/s"]


def nested(depth: int) -> str:
    return '{"type": "array", "items": ' * depth + '"int"' + "}" * depth


@pytest.mark.parametrize(
    "text", ['syntax = "proto3"; message A {}', None, '"no-such-type"', "{}", nested(900), nested(100_000)]
)
async def test_a_record_of_what_is_no_schema_is_poison(text: object) -> None:
    """An id of another type of schema, or of one that nobody can read, makes the record unreadable, and no more."""
    client = Wire(answering(200, {"schema": text})).client()
    with pytest.raises(RecordUnreadable):
        await client.parsed(7)
    record = b"\0\0\0\0\7..."
    assert await Schemas(client).know_all([record]) == {record[:5]: "RecordUnreadable"}


@pytest.mark.parametrize(
    "answer",
    [
        refusing,
        answering(500, {"error_code": 50001, "message": "the store failed"}),
        answering(503, {}),
        answering(429, {}),
        answering(404, {"detail": "no such page"}),
        answering(200, ["not a registry"]),
        lambda _request: httpx.Response(200, text="<html>"),
        lambda _request: httpx.Response(404, text="<html>"),
    ],
)
async def test_trouble_is_worth_waiting_for(answer: Answer) -> None:
    """What no registry says about an id is trouble on the way to it, and never condemns a record."""
    with pytest.raises(SchemaRegistryUnreachable) as caught:
        await Wire(answer).client().schema(1)
    assert caught.value.retryable


async def test_an_unknown_id_is_no_trouble() -> None:
    """Only the registry's own word that an id is unknown makes it so, and it is asked again the next time."""
    wire = Wire(answering(404, {"error_code": 40403, "message": "Schema 1 not found"}))
    client = wire.client()
    for _ in range(2):
        with pytest.raises(SchemaUnknown):
            await client.schema(1)
    assert len(wire.asked) == 2


@pytest.mark.parametrize(("status", "code"), [(409, 409), (422, 42201)])
async def test_a_refusal_carries_the_reason(status: int, code: int) -> None:
    """What the registry says against a schema is passed on, and nothing is kept."""
    wire = Wire(answering(status, {"error_code": code, "message": "field x"}))
    client = wire.client()
    for _ in range(2):
        with pytest.raises(SchemaRefused, match="field x"):
            await client.register("s", SCHEMA)
    assert len(wire.asked) == 2


@pytest.mark.parametrize("code", [40401, 40402])
async def test_an_absent_subject(code: int) -> None:
    """A subject without versions has no latest one, and anything may be its first."""
    client = Wire(answering(404, {"error_code": code, "message": "not found"})).client()
    assert await client.latest("s") is None
    assert await client.compatible("s", SCHEMA) == []


def test_subject_of_a_topic() -> None:
    """Values stand under the name that Kafka tools look for."""
    assert value_subject("changes.population.person") == "changes.population.person-value"


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (answering(200, ["a", "b"]), ""),
        (answering(401, {"message": "Unauthorized"}), "to callers without credentials: HTTP 401: Unauthorized"),
        (answering(404, {"message": "Not Found"}), "HTTP 404, which is no answer of a schema registry"),
        (answering(200, {"name": "another API"}), "HTTP 200, which is no answer of a schema registry"),
        (lambda _: httpx.Response(200, text="<html>"), "HTTP 200, which is no answer of a schema registry"),
        (answering(503, {}), "HTTP 503"),
        (refusing, "no connection"),
    ],
    ids=["good", "refused", "another path", "another API", "no JSON", "broken", "away"],
)
async def test_what_a_registry_answers_is_told_where_it_is_not_good(answer: Answer, trouble: str) -> None:
    """Only a list of subjects shows that a registry is there, and that whoever asks may read it."""
    wire = Wire(answer)
    told = await trouble_of(wire.client())
    assert told.startswith(trouble)
    assert bool(told) == bool(trouble)
    assert [request.url.path for request in wire.asked] == ["/subjects"]


async def test_versions_that_are_no_json_are_no_answer() -> None:
    """A page of a proxy in place of a list must be told as such, and not as a failure to read JSON."""
    with pytest.raises(SchemaRegistryUnreachable, match="no answer of a schema registry"):
        await Wire(lambda _: httpx.Response(200, text="<html>")).client().versions("s")


async def test_an_answer_that_breaks_off_in_its_packing_is_no_answer() -> None:
    """A proxy that promises gzip and sends something else is a registry that does not answer."""
    packed = {"content-encoding": "gzip", "content-type": "application/json"}
    client = Wire(lambda _: httpx.Response(200, headers=packed, stream=httpx.ByteStream(b"<html>"))).client()
    with pytest.raises(SchemaRegistryUnreachable, match="does not answer as an HTTP server does"):
        await client.latest("one")


@pytest.mark.parametrize("body", [{"schema": "no JSON"}, {"schema": None}, {"id": "x"}, {"version": None}])
async def test_a_version_that_nobody_can_read_is_told(body: dict[str, object]) -> None:
    """Whatever stands in a version, as a schema of another kind, is told as such and never as a failure of ours."""
    version = {"version": 1, "id": 7, "schema": json.dumps(SCHEMA), **body}
    wire = Wire(lambda request: httpx.Response(200, json=[1] if request.url.path.endswith("/versions") else version))
    client = wire.client()
    for asked in (client.latest, client.versions):
        with pytest.raises(SchemaRegistryUnreachable, match="a version of one that is no Avro schema"):
            await asked("one")


async def test_json_that_is_nested_too_deep_is_no_answer() -> None:
    """What nobody can read as JSON is not what a registry answers."""
    client = Wire(lambda _: httpx.Response(200, content=b"[" * 200_000)).client()
    for asked in (client.latest("one"), client.versions("one"), client.subjects()):
        with pytest.raises(SchemaRegistryUnreachable, match="no answer of a schema registry"):
            await asked
