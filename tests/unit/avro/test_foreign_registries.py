"""Registries that others wrote, where they say it otherwise than ours."""

import json
from copy import deepcopy

import httpx
import pytest

from bus.avro import client as client_module
from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame
from bus.avro.own import OwnMessages, own_names, own_schema, own_subject
from bus.clock import monotonic
from bus.errors import SchemaRegistryForbids, SchemaRegistryUnreachable, SchemaUnknown
from tests.unit.avro.karapace import Karapace

SCHEMA = {"type": "record", "name": "P", "fields": [{"name": "id", "type": "string"}]}
NEWEST = "POST /compatibility/subjects/s/versions/latest"


async def test_compatibility_where_only_one_version_can_be_asked_about() -> None:
    """A registry without the call for all versions is asked about the newest, and its reasons are passed on."""
    karapace = Karapace({NEWEST: (200, '{"is_compatible":false,"messages":["y"]}')})
    assert await karapace.client().compatible("s", SCHEMA) == ["y"]
    assert karapace.asked == ["POST /compatibility/subjects/s/versions", NEWEST]
    assert await Karapace({NEWEST: (200, '{"is_compatible":true}')}).client().compatible("s", SCHEMA) == []
    absent = Karapace({NEWEST: (404, '{"error_code":40402,"message":"Version -1 not found."}')})
    assert await absent.client().compatible("s", SCHEMA) == []


async def test_a_call_that_is_refused_with_a_plain_code() -> None:
    """A registry that says in JSON that it knows no such call is asked about the newest version too."""
    words = json.dumps({"error_code": 405, "message": "HTTP 405 Method Not Allowed"})
    answers = {"POST /compatibility/subjects/s/versions": (405, words), NEWEST: (200, '{"is_compatible":true}')}
    assert await Karapace(answers).client().compatible("s", SCHEMA) == []


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, '{"message":"Unauthorized"}'),
        (401, '{"error_code":40101,"message":"Changes need the token."}'),
        (403, '{"message":"Forbidden"}'),
    ],
)
async def test_whoever_may_not_ask_is_told_so(status: int, text: str) -> None:
    """A registry that wants to know who asks is neither away nor against the schema: who asked is told, and waits."""
    client = Karapace({"GET /schemas/ids/1": (status, text), "POST /subjects/s": (status, text)}).client()
    with pytest.raises(SchemaRegistryForbids, match=f"refuses callers without credentials .HTTP {status}: ") as raised:
        await client.schema(1)
    assert raised.value.retryable
    with pytest.raises(SchemaRegistryForbids):
        await client.register("s", SCHEMA)


async def test_a_subject_that_may_not_be_written_looks_absent() -> None:
    """A new version makes its subject: a registry that finds none there hides what this user may not write."""
    absent = (404, json.dumps({"error_code": 40401, "message": "Subject 's' not found."}))
    client = Karapace({"POST /subjects/s": absent, "POST /subjects/s/versions": absent}).client()
    with pytest.raises(SchemaRegistryForbids, match="Subject 's' not found"):
        await client.register("s", SCHEMA)


async def test_own_messages_are_known_however_they_are_spelt() -> None:
    """An own schema is found again though the registry orders its attributes and writes its name in one word."""
    respelt = json.loads(json.dumps(own_schema("fact"), sort_keys=True))
    respelt["name"] = f"{respelt.pop('namespace')}.{respelt['name']}"
    newest = {"subject": "bus.fact", "version": 1, "id": 23, "schema": json.dumps(respelt)}
    absent = (404, json.dumps({"error_code": 40401, "message": "Subject not found."}))
    answers = {f"GET /subjects/{own_subject(name)}/versions/latest": absent for name in own_names()}
    karapace = Karapace(answers | {"GET /subjects/bus.fact/versions/latest": (200, json.dumps(newest))})
    messages = OwnMessages(karapace.client())
    await messages.learn()
    assert messages.framed("fact", b"") == frame(23, b"")


async def test_a_message_of_an_earlier_release() -> None:
    """What a message of an earlier release lacks is at its default, within its parts too: a lane can be read back."""
    schema, held = own_schema("lane_holdings"), {"agreement": "a", "revision": "r", "topic": "t", "partition": 1}
    held |= {"view_hash": b"h", "released_at": 5}
    earlier = deepcopy(schema)
    earlier["fields"] = [one for one in earlier["fields"] if one["name"] == "held"]
    of_held = earlier["fields"][0]["type"]["items"]
    of_held["fields"] = [one for one in of_held["fields"] if one["name"] in held]
    messages = OwnMessages(
        Karapace({"GET /schemas/ids/7": (200, json.dumps({"schema": json.dumps(earlier)}))}).client()
    )
    body = await messages.renewed("lane_holdings", frame(7, encode(parse(earlier), {"held": [held]})))
    added = {"key": None, "consent": None, "due": None, "epoch": 1}
    assert decode(parse(schema), body) == {"due": None, "held": [held | added]}


async def test_a_certificate_that_is_not_trusted() -> None:
    """A registry behind a certificate of one's own authority is there: it is told how to trust it."""
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"

    def take(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(said)

    access = RegistryAccess("https://karapace:8081")
    client = SchemaRegistryClient(access, transport=httpx.MockTransport(take))
    with pytest.raises(SchemaRegistryUnreachable, match="its certificate is not trusted: SSL_CERT_FILE"):
        await client.schema(1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks again at once."""
    monkeypatch.setattr(client_module, "ASK_AGAIN_SECONDS", 0.001)


@pytest.mark.usefixtures("impatient")
async def test_a_registry_that_starts_condemns_nothing() -> None:
    """Karapace answers before it has read its topic, and denies what it has: it is asked again, and then believed."""
    karapace = Karapace({"GET /schemas/ids/1": (200, json.dumps({"schema": json.dumps(SCHEMA)}))}, restarting=3)
    assert await karapace.client(settles_seconds=60).schema(1) == SCHEMA
    assert len(karapace.asked) == 4


@pytest.mark.usefixtures("impatient")
async def test_an_id_is_doubted_once() -> None:
    """An id that is denied for long enough is unknown, and the next record with it waits no more."""
    karapace = Karapace({"GET /schemas/ids/1": (404, '{"error_code":40403,"message":"Schema not found"}')})
    client, began = karapace.client(settles_seconds=0.05), monotonic()
    with pytest.raises(SchemaUnknown):
        await client.schema(1)
    assert monotonic() - began >= 0.05
    asked = len(karapace.asked)
    assert asked > 2
    with pytest.raises(SchemaUnknown):
        await client.schema(1)
    assert len(karapace.asked) == asked + 1
