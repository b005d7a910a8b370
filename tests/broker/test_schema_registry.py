"""The schema registry, driven by Confluent's own client over HTTP, against a real broker.

With BUS_SCHEMA_REGISTRY the same tests run against that registry; those about our own workings are skipped.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from bus.avro import client as own
from bus.avro.access import RegistryAccess
from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame, unframe
from bus.clock import monotonic
from bus.errors import SchemaRefused, SchemaRegistryUnreachable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.rights import SCHEMA_REGISTRY, schema_registry_rights
from bus.platform.home import Home
from bus.settings import Settings
from bus.topics import Topics

pytestmark = pytest.mark.broker

PROCESS = "from bus.avro.registry.server import run; from bus.settings import Settings; run(Settings())"
THEIRS = (Settings().schema_registry or "").rstrip("/") or None
ours_only = pytest.mark.skipif(THEIRS is not None, reason="about the workings of the bus's own registry")


class Registry:
    """A `schema-registry` process with a home of its own, on the broker and the topic of the test."""

    def __init__(self, kafka: KafkaAccess, prefix: str, folder: Path, **settings: str) -> None:
        self.home = Home(folder)
        environment = {name: text for name, text in os.environ.items() if not name.startswith("BUS_")}
        environment |= {"BUS_HOME": str(folder), "BUS_PREFIX": prefix, "BUS_KAFKA": kafka.bootstrap}
        environment |= {"BUS_KAFKA_SECURITY_PROTOCOL": kafka.security_protocol, "BUS_KAFKA_RIGHTS": "false"}
        identity = {"SASL_MECHANISM": kafka.sasl_mechanism, "USERNAME": kafka.username, "PASSWORD": kafka.password}
        environment |= {f"BUS_KAFKA_{name}": text for name, text in identity.items() if text}
        with self.home.log("schema-registry").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", PROCESS], env=environment | settings, stderr=log)

    @property
    def url(self) -> str:
        """Where it serves, as soon as it does."""
        deadline, pause = monotonic() + 30, threading.Event()
        while monotonic() < deadline and self.process.poll() is None:
            ready = self.home.endpoint("schema-registry")
            if ready and ready["pid"] == self.process.pid:
                return f"http://127.0.0.1:{ready['port']}"
            pause.wait(0.02)
        raise AssertionError(f"it does not serve:\n{self.home.log('schema-registry').read_text()[-2000:]}")

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def topic_of_schemas(kafka: KafkaAccess) -> Iterator[str]:
    """A prefix under which the topic `schemas` is."""
    prefix = f"t{secrets.token_hex(4)}."
    admin = AdminClient(kafka.for_confluent())
    spec = next(one for one in Topics(prefix, 1).founding() if one.name == Topics(prefix, 1).schemas)
    admin.create_topics([NewTopic(spec.name, 1, 1, config=dict(spec.config))])[spec.name].result(20)
    yield prefix
    admin.delete_topics([spec.name])[spec.name].result(20)


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that the tests of this module share: ours, or the one that BUS_SCHEMA_REGISTRY names."""
    if THEIRS:
        yield THEIRS
        return
    kafka: KafkaAccess = request.getfixturevalue("kafka")
    with topic_of_schemas(kafka) as prefix:
        ours = Registry(kafka, prefix, tmp_path_factory.mktemp("registry"))
        yield ours.url
        assert ours.stop() == 0


Start = Callable[..., Registry]


@pytest.fixture
def start(kafka: KafkaAccess, tmp_path: Path) -> Iterator[Start]:
    """Starts registries on one fresh topic of schemas; ends them after the test."""
    started: list[Registry] = []
    with topic_of_schemas(kafka) as prefix:

        def start_one(**settings: str) -> Registry:
            started.append(Registry(kafka, prefix, tmp_path / str(len(started)), **settings))
            return started[-1]

        yield start_one
        for registry in started:
            if registry.process.poll() is None:
                registry.stop()


@pytest.fixture(scope="module")
def theirs(url: str) -> Iterator[SchemaRegistryClient]:
    """Confluent's client."""
    with SchemaRegistryClient({"url": url}) as client:
        yield client


@pytest.fixture
def subject() -> str:
    """A subject that nobody else uses."""
    return f"test.{secrets.token_hex(6)}-value"


@pytest.fixture
def taken(theirs: SchemaRegistryClient, subject: str) -> str:
    """A subject with one version."""
    theirs.register_schema(subject, avro(record(ID)))
    return subject


def record(*fields: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Person", "namespace": "test", "fields": list(fields), **attributes}


ID = {"name": "personal_id", "type": "string"}
PHONE = {"name": "phone", "type": ["null", "string"], "default": None}
NAME = {"name": "full_name", "type": "string"}


def avro(schema: Any) -> Schema:
    return Schema(json.dumps(schema), "AVRO")


def refused(call: Callable[[], object]) -> SchemaRegistryError:
    with pytest.raises(SchemaRegistryError) as caught:
        call()
    return caught.value


def test_registers_and_finds_again(url: str, theirs: SchemaRegistryClient, subject: str) -> None:
    """A registered schema is found by id, by version, as the latest and by itself; doing it anew changes nothing."""
    schema = record(ID, PHONE, subject=secrets.token_hex(4))
    given = theirs.register_schema(subject, avro(schema))
    assert theirs.register_schema(subject, avro(schema)) == given
    assert json.loads(httpx.get(f"{url}/schemas/ids/{given}").json()["schema"]) == schema
    assert theirs.get_versions(subject) == [1]
    latest, first = theirs.get_latest_version(subject), theirs.get_version(subject, 1)
    itself = theirs.lookup_schema(subject, avro(schema))
    assert {(one.schema_id, one.version) for one in (latest, first, itself)} == {(given, 1)}
    assert subject in theirs.get_subjects()


def test_one_id_for_one_schema(theirs: SchemaRegistryClient, subject: str) -> None:
    """The same schema in another subject, or with other white space, has the same id; another doc is another schema."""
    schema = record(ID, mark=secrets.token_hex(4))
    given = theirs.register_schema(subject, avro(schema))
    spaced = Schema(json.dumps(schema, indent=3), "AVRO")
    assert theirs.register_schema(f"other-{subject}", spaced) == given
    assert theirs.register_schema(subject, avro(schema | {"doc": "A person."})) != given
    assert theirs.get_versions(subject) == [1, 2]


@ours_only
def test_names_field_and_reason(url: str, theirs: SchemaRegistryClient, subject: str) -> None:
    """An incompatible version is refused with the field, the reason, the version that is in the way and the level."""
    theirs.register_schema(subject, avro(record(ID)))
    error = refused(lambda: theirs.register_schema(subject, avro(record(ID, NAME))))
    assert error.http_status_code == 409
    expected = "full_name: the field is not in the records written, and has no default (version 1, BACKWARD_TRANSITIVE)"
    assert expected in error.error_message
    body = {"schema": json.dumps(record(ID, NAME))}
    answer = httpx.post(f"{url}/compatibility/subjects/{subject}/versions?verbose=true", json=body).json()
    assert answer == {"is_compatible": False, "messages": [expected]}


def test_tells_compatibility(theirs: SchemaRegistryClient, subject: str) -> None:
    """A new field with a default is compatible, one without is refused, and asking first tells which."""
    theirs.register_schema(subject, avro(record(ID)))
    assert theirs.test_compatibility(subject, avro(record(ID, PHONE)))
    assert not theirs.test_compatibility(subject, avro(record(ID, NAME)))
    theirs.register_schema(subject, avro(record(ID, PHONE)))
    assert refused(lambda: theirs.register_schema(subject, avro(record(ID, PHONE, NAME)))).http_status_code == 409
    assert theirs.get_versions(subject) == [1, 2]


@pytest.mark.parametrize(
    ("level", "second", "third", "allowed"),
    [
        ("NONE", [ID], [{**ID, "type": "int"}], True),
        ("BACKWARD", [ID, PHONE], [{"name": "phone", "type": ["null", "string"], "default": None}, NAME], False),
        ("BACKWARD", [ID, NAME | {"default": ""}], [ID, NAME], True),
        ("BACKWARD_TRANSITIVE", [ID, NAME | {"default": ""}], [ID, NAME], False),
        ("FORWARD", [ID, NAME], [ID, NAME, {"name": "sex", "type": "string"}], True),
        ("FORWARD", [ID, NAME], [ID, PHONE], False),
        ("FORWARD_TRANSITIVE", [ID, NAME], [NAME], False),
        ("FULL", [ID, PHONE], [ID], True),
        ("FULL", [ID, PHONE], [ID, PHONE, NAME], False),
        ("FULL_TRANSITIVE", [ID, PHONE], [PHONE], False),
    ],
)
def test_levels(
    theirs: SchemaRegistryClient, subject: str, level: str, second: list[Any], third: list[Any], *, allowed: bool
) -> None:
    """A subject's level decides which earlier versions count and in which direction."""
    assert theirs.set_compatibility(subject, level)["compatibility"] == level
    assert theirs.get_compatibility(subject) == level
    theirs.register_schema(subject, avro(record(ID)))
    theirs.register_schema(subject, avro(record(*second)))
    with nullcontext() if allowed else pytest.raises(SchemaRegistryError):
        theirs.register_schema(subject, avro(record(*third)))


@ours_only
def test_default_level(theirs: SchemaRegistryClient, subject: str) -> None:
    """Without anything set, every earlier record stays readable; a subject without a level of its own says so."""
    assert theirs.get_compatibility() == "BACKWARD_TRANSITIVE"
    assert refused(lambda: theirs.get_compatibility(subject)).error_code == 40408


@pytest.mark.parametrize(
    ("asked", "body", "code"),
    [
        ("GET /schemas/ids/99999999", None, 40403),
        ("GET /subjects/nobody/versions", None, 40401),
        ("GET /subjects/nobody/versions/1", None, 40401),
        ("GET /subjects/{subject}/versions/7", None, 40402),
        ("GET /subjects/{subject}/versions/zero", None, 42202),
        ("GET /subjects/{subject}/versions/0", None, 42202),
        ("POST /subjects/{subject}/versions", {"schema": "no"}, 42201),
        ("POST /subjects/{subject}/versions", {"schema": '{"type": "recrod"}'}, 42201),
        ("POST /subjects/{subject}", {"schema": '"bytes"'}, 40403),
        ("POST /subjects/nobody", {"schema": '"bytes"'}, 40401),
        ("PUT /config/{subject}", {"compatibility": "SIDEWAYS"}, 42203),
        ("DELETE /subjects/nobody", None, 40401),
        ("DELETE /subjects/{subject}/versions/9", None, 40402),
        ("DELETE /subjects/{subject}/versions/1?permanent=true", None, 40407),
        ("DELETE /subjects/{subject}?permanent=true", None, 40405),
    ],
)
def test_error_codes(url: str, taken: str, asked: str, body: object, code: int) -> None:
    """Each refusal carries Confluent's code, and the HTTP status that belongs to it."""
    method, _, path = asked.partition(" ")
    answer = httpx.request(method, url + path.format(subject=taken), json=body)
    assert answer.json()["error_code"] == code
    assert answer.status_code == code // 100
    assert answer.headers["content-type"].startswith("application/vnd.schemaregistry.v1+json")


def test_deletes_softly_then_for_good(url: str, theirs: SchemaRegistryClient, subject: str) -> None:
    """A deleted version is hidden but known until it is deleted for good; its schema stays readable by id."""
    given = theirs.register_schema(subject, avro(record(ID)))
    theirs.register_schema(subject, avro(record(ID, PHONE)))
    assert theirs.delete_version(subject, 1) == 1
    assert theirs.get_versions(subject) == [2]
    assert httpx.get(f"{url}/subjects/{subject}/versions?deleted=true").json() == [1, 2]
    assert httpx.delete(f"{url}/subjects/{subject}/versions/1").json()["error_code"] == 40406
    assert theirs.delete_subject(subject) == [2]
    assert subject not in theirs.get_subjects()
    assert httpx.delete(f"{url}/subjects/{subject}").json()["error_code"] == 40404
    assert httpx.get(f"{url}/schemas/ids/{given}").status_code == 200
    assert httpx.delete(f"{url}/subjects/{subject}?permanent=true").json() == [1, 2]
    assert httpx.get(f"{url}/subjects/{subject}/versions?deleted=true").json()["error_code"] == 40401


def test_serializers_meet_the_frame(url: str, theirs: SchemaRegistryClient, subject: str) -> None:
    """What Confluent's serializer writes the bus reads, and the other way round."""
    schema, value = record(ID, PHONE), {"personal_id": "001", "phone": None}
    context = SerializationContext(subject.removesuffix("-value"), MessageField.VALUE)
    written = AvroSerializer(theirs, json.dumps(schema))(value, context)
    assert written is not None
    schema_id, body = unframe(written)
    assert schema_id == theirs.get_latest_version(subject).schema_id
    assert decode(parse(schema), body) == value
    assert AvroDeserializer(theirs)(frame(schema_id, encode(parse(schema), value)), context) == value


async def test_own_client(url: str, subject: str) -> None:
    """The bus's client registers, reads by id, and tells a refusal, an unknown id and an absent subject apart."""
    async with own.SchemaRegistryClient(RegistryAccess(url)) as client:
        assert await client.latest(subject) is None
        given = await client.register(subject, record(ID))
        assert await client.schema(given) == record(ID)
        assert (await client.latest(subject)) == own.Registered(subject, 1, given, record(ID))
        assert await client.compatible(subject, record(ID, PHONE)) == []
        assert any("full_name" in reason for reason in await client.compatible(subject, record(ID, NAME)))
        with pytest.raises(SchemaRefused, match=subject):
            await client.register(subject, record(ID, NAME))
        with pytest.raises(SchemaUnknown):
            await client.schema(99_999_999)


@ours_only
def test_twenty_writers(start: Start) -> None:
    """Twenty writers at three registries on one topic: each schema has one id, and every registry knows it."""
    urls = [registry.url for registry in [start(), start(), start()]]
    schemas = [record(ID, number=number) for number in range(5)]

    def write(writer: int) -> list[int]:
        order = schemas[writer % 5 :] + schemas[: writer % 5]
        with SchemaRegistryClient({"url": urls[writer % 3]}) as client:
            client.set_compatibility(f"subject-{writer}", "NONE")
            ids = {schema["number"]: client.register_schema(f"subject-{writer}", avro(schema)) for schema in order}
        return [ids[number] for number in range(5)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(write, range(20)))
    assert all(ids == answers[0] for ids in answers)
    assert sorted(answers[0]) == [1, 2, 3, 4, 5]
    for one in urls:
        assert [httpx.get(f"{one}/schemas/ids/{given}").status_code for given in range(1, 7)] == [200] * 5 + [404]


@ours_only
def test_racing_versions_stay_compatible(start: Start) -> None:
    """Of twenty schemas that exclude each other, sent to one subject at once, exactly one becomes its version."""
    urls = [registry.url for registry in [start(), start()]]

    def write(writer: int) -> int:
        body = {"schema": json.dumps(record({"name": f"field_{writer}", "type": "string"}))}
        return httpx.post(f"{urls[writer % 2]}/subjects/contested/versions", json=body, timeout=30).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(write, range(20)))
    assert statuses == [200] + [409] * 19
    assert [httpx.get(f"{one}/subjects/contested/versions").json() for one in urls] == [[1], [1]]


@ours_only
def test_restart_gives_the_same(start: Start) -> None:
    """A registry that starts anew knows the same ids, versions, levels and deletions; SIGTERM ends it in order."""
    first = start()
    with SchemaRegistryClient({"url": first.url}) as client:
        client.register_schema("kept", avro(record(ID)))
        client.register_schema("kept", avro(record(ID, PHONE)))
        client.register_schema("gone", avro(record(PHONE)))
        client.set_compatibility("kept", "FULL")
        client.delete_subject("gone")
    before = httpx.get(f"{first.url}/schemas?deleted=true").json()
    assert first.stop() == 0
    second = start().url
    assert httpx.get(f"{second}/schemas?deleted=true").json() == before
    assert httpx.get(f"{second}/config/kept").json() == {"compatibilityLevel": "FULL"}
    assert [one["id"] for one in before] == [3, 1, 2]


@ours_only
async def test_its_own_rights_are_enough(identities: KafkaAccess, bus_home: Home, tmp_path: Path) -> None:
    """As the Kafka user that the bus makes for it, with that user's rights and no others, it reads and writes."""
    admin, password = Admin(identities), bus_home.secret("users/schema-registry")
    with topic_of_schemas(identities) as prefix:
        await admin.ensure_user(SCHEMA_REGISTRY, password)
        await admin.ensure_rights(schema_registry_rights(Topics(prefix, 1)))
        ours = Registry(identities.as_user(SCHEMA_REGISTRY, password), prefix, tmp_path)
        async with own.SchemaRegistryClient(RegistryAccess(ours.url)) as client:
            assert await client.register("s", record(ID)) == 1
        assert ours.stop() == 0


@ours_only
def test_write_token(start: Start) -> None:
    """With a token set, changes need it, by either scheme, and reads stay open."""
    url = start(BUS_SCHEMA_REGISTRY_TOKEN="s3cret").url
    body = {"schema": json.dumps(record(ID))}
    path = f"{url}/subjects/guarded/versions"
    assert httpx.post(path, json=body).json()["error_code"] == 40101
    assert httpx.post(path, json=body, auth=("anybody", "wrong")).status_code == 401
    assert httpx.post(path, json=body, auth=("anybody", "s3cret")).status_code == 200
    assert httpx.post(path, json=body, headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert httpx.get(path).json() == [1]


@ours_only
async def test_unreachable_when_gone(start: Start) -> None:
    """A registry that has ended is unreachable for the bus's client, which can try again: it is no unknown id."""
    registry = start()
    url = registry.url
    registry.stop()
    async with own.SchemaRegistryClient(RegistryAccess(url)) as client:
        with pytest.raises(SchemaRegistryUnreachable) as caught:
            await client.schema(1)
    assert caught.value.retryable
