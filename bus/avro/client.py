"""The client of a schema registry: any that speaks the Confluent API, the bus's own included."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from bus.avro.access import SETTLED, RegistryAccess, registry_access
from bus.avro.codec import Parsed, parse_known
from bus.clock import monotonic
from bus.errors import RecordUnreadable, SchemaRefused, SchemaRegistryForbids, SchemaRegistryUnreachable, SchemaUnknown
from bus.platform.home import Home
from bus.settings import Settings
from bus.telemetry import Event, emit

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
SCHEMA_NOT_FOUND = 40403
ABSENT = (40401, 40402)
"""A subject, a version that is not there."""
NO_SUCH_CALL = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)
"""What a registry says to a call that it does not know, with or without a code that says no more."""
TIMEOUT_SECONDS = 10.0
MOMENTS_SECONDS = 3.0
"""How long somebody waits who only wants to see how a registry fares."""
ASK_AGAIN_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
"""The pauses before a denied id is asked for again: each is twice as long as the one before."""


def value_subject(topic: str) -> str:
    """The subject of a topic's values, by the naming that every Kafka tool expects (TopicNameStrategy)."""
    return f"{topic}-value"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a subject."""

    subject: str
    version: int
    schema_id: int
    schema: Any


class SchemaRegistryClient:
    """Schemas by id and by subject. What can't change is asked for once: an id's schema, a schema's id.

    Every method raises SchemaRegistryUnreachable when there is no answer, or none that a registry would give, and
    SchemaRegistryForbids, which is one, when the registry wants to know who asks; then waiting is right. One client
    serves one event loop.
    """

    def __init__(self, access: RegistryAccess, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.access = access
        self._http = httpx.AsyncClient(
            base_url=access.url.rstrip("/"),
            headers={"accept": f"{CONTENT_TYPE}, application/json", "content-type": CONTENT_TYPE, **access.headers},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
        )
        self._schemas: dict[int, Any] = {}
        self._parsed: dict[tuple[int, bool], Parsed] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._denied = dict[int, float]()  # since when (monotonic); they are few: each costs its writer a dead letter

    @classmethod
    def from_settings(cls, settings: Settings, home: Home, *, registers: bool = False) -> Self:
        """The registry of the bus that the settings name; see `registry_access`."""
        return cls(registry_access(settings, home, registers=registers))

    async def schema(self, schema_id: int) -> Any:
        """The schema as JSON values. Raises SchemaUnknown for an id that the registry does not know: poison.

        RecordUnreadable for the id of something else than an Avro schema: poison too.

        A registry that may have to catch up is asked again until it has denied the id for long enough.
        """
        if schema_id not in self._schemas:
            answer = await self._settled(schema_id)
            if _code(answer) == SCHEMA_NOT_FOUND:
                raise SchemaUnknown(schema_id=schema_id)
            self._schemas[schema_id] = _json_of(self._good(answer, "schema")["schema"], schema_id)
            self._denied.pop(schema_id, None)
        return self._schemas[schema_id]

    async def _settled(self, schema_id: int) -> httpx.Response:
        path, pause = f"/schemas/ids/{schema_id}", ASK_AGAIN_SECONDS
        answer = await self._ask("GET", path)
        while _code(answer) == SCHEMA_NOT_FOUND and SETTLED not in answer.headers and self._doubts(schema_id):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            answer = await self._ask("GET", path)
        return answer

    def _doubts(self, schema_id: int) -> bool:
        """Whether the registry that denies the id may have to catch up yet."""
        if schema_id not in self._denied and self.access.settles_seconds:
            self._denied[schema_id] = monotonic()
            emit(Event.SCHEMA_DOUBTED, schema_id=schema_id, seconds=self.access.settles_seconds)
        since = self._denied.get(schema_id)
        return since is not None and monotonic() - since < self.access.settles_seconds

    async def parsed(self, schema_id: int, *, logical: bool = False) -> Parsed:
        """The schema ready to decode with, raw values unless `logical`.

        Raises as `schema` does, and RecordUnreadable for an id under which another kind of schema stands: poison too.
        """
        known = self.known(schema_id, logical=logical)
        if known is None:
            known = parse_known(await self.schema(schema_id), schema_id, logical=logical)
            self._parsed[schema_id, logical] = known
        return known

    def known(self, schema_id: int, *, logical: bool = False) -> Parsed | None:
        """What `parsed` has given before, without asking anybody; None otherwise."""
        return self._parsed.get((schema_id, logical))

    async def register(self, subject: str, schema: Any) -> int:
        """The schema's id, made now where the subject does not have it yet: only that needs the right to write.

        Raises SchemaRefused, with the registry's reason, for a schema that is invalid or incompatible, and
        SchemaRegistryForbids.
        """
        text = json.dumps(schema, ensure_ascii=False)
        if (subject, text) not in self._ids:
            path = f"/subjects/{quote(subject, safe='')}"
            answer = await self._ask("POST", path, {"schema": text})
            if _code(answer) in (*ABSENT, SCHEMA_NOT_FOUND):
                answer = await self._ask("POST", f"{path}/versions", {"schema": text})
                if _code(answer) in ABSENT:  # a new version makes its subject: so some hide what one may not write
                    raise self._forbids(answer)
            self._ids[subject, text] = int(self._good(answer, "id", subject=subject)["id"])
        return self._ids[subject, text]

    async def find(self, subject: str, schema: Any) -> int | None:
        """The schema's id where the subject has it already, None otherwise; writes nothing."""
        text = json.dumps(schema, ensure_ascii=False)
        answer = await self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": text})
        if _code(answer) in (*ABSENT, SCHEMA_NOT_FOUND):
            return None
        return int(self._good(answer, "id", subject=subject)["id"])

    async def latest(self, subject: str) -> Registered | None:
        """The newest version of a subject, None where it has none."""
        answer = await self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/latest")
        if _code(answer) in ABSENT:
            return None
        return self._registered(answer, subject)

    async def versions(self, subject: str) -> list[Registered]:
        """Every version of a subject, oldest first; empty where it has none."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = await self._ask("GET", path)
        if _code(answer) in ABSENT:
            return []
        return [
            self._registered(await self._ask("GET", f"{path}/{number}"), subject)
            for number in sorted(self._listed(answer))
        ]

    async def compatible(self, subject: str, schema: Any) -> list[str]:
        """Why the schema could not be the subject's next version; empty when it could.

        Not every registry can hold it against all versions at once; one that cannot is asked about the newest.
        """
        text = json.dumps(schema, ensure_ascii=False)
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions"
        answer = await self._ask("POST", f"{path}?verbose=true", {"schema": text})
        if answer.status_code in NO_SUCH_CALL and _code(answer) not in ABSENT:
            answer = await self._ask("POST", f"{path}/latest?verbose=true", {"schema": text})
        if _code(answer) in ABSENT:
            return []
        body = self._good(answer, "is_compatible", subject=subject)
        if body["is_compatible"]:
            return []
        return [str(message) for message in body.get("messages") or ["the registry gives no reason"]]

    async def subjects(self, beginning: str = "") -> list[str]:
        """Every subject whose name begins so."""
        names = self._listed(await self._ask("GET", "/subjects"))
        return sorted(name for name in map(str, names) if name.startswith(beginning))

    async def delete(self, subject: str) -> bool:
        """Delete a subject and its versions for good. Whether the registry did: some keep what they have."""
        path = f"/subjects/{quote(subject, safe='')}"
        answers = [await self._ask("DELETE", f"{path}{how}") for how in ("", "?permanent=true")]
        return all(answer.is_success for answer in answers)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            answer = await self._sent(method, path, None if body is None else json.dumps(body))
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise self._unreachable(_in_words(error)) from error
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise self._unreachable(f"HTTP {answer.status_code}")
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._forbids(answer)
        return answer

    async def _sent(self, method: str, path: str, content: str | None) -> httpx.Response:
        """Once more where it broke off: a server may close a connection that was idle just as it is used again.

        Whatever is asked here can be asked twice, but for a deletion.
        """
        try:
            return await self._http.request(method, path, content=content)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if method == "DELETE":
                raise
            return await self._http.request(method, path, content=content)

    def _good(self, answer: httpx.Response, *words: str, subject: str | None = None) -> dict[str, Any]:
        """The JSON of a good answer, which has these words.

        What the registry says against a subject is SchemaRefused; whatever else comes is not what a registry answers.
        """
        body = _object(answer)
        if answer.is_success and all(word in body for word in words):
            return body
        if subject is not None and _code(answer) is not None:
            raise SchemaRefused(subject=subject, reason=body.get("message", f"HTTP {answer.status_code}"))
        raise self._strange(answer)

    def _registered(self, answer: httpx.Response, subject: str) -> Registered:
        """The version in a good answer."""
        body = self._good(answer, "version", "id", "schema", subject=subject)
        try:
            return Registered(subject, int(body["version"]), int(body["id"]), json.loads(body["schema"]))
        except (ValueError, TypeError, RecursionError):
            raise self._unreachable(f"it tells a version of {subject} that is no Avro schema") from None

    def _listed(self, answer: httpx.Response) -> list[Any]:
        """The JSON list of a good answer."""
        with contextlib.suppress(ValueError, RecursionError):
            if answer.is_success and isinstance(found := answer.json(), list):
                return found
        raise self._strange(answer)

    def _forbids(self, answer: httpx.Response) -> SchemaRegistryForbids:
        said = _object(answer).get("message")
        reason = f"HTTP {answer.status_code}: {said}" if said else f"HTTP {answer.status_code}"
        return SchemaRegistryForbids(url=self.access.place, who=self.access.who, reason=reason)

    def _strange(self, answer: httpx.Response) -> SchemaRegistryUnreachable:
        return self._unreachable(
            f"HTTP {answer.status_code}, which is no answer of a schema registry: its address may lack the API's path"
        )

    def _unreachable(self, reason: str) -> SchemaRegistryUnreachable:
        return SchemaRegistryUnreachable(url=self.access.place, reason=reason)


async def trouble_of(client: SchemaRegistryClient) -> str:
    """Why a registry is of no use to whoever asks, within moments; empty where it is. Closes the client."""
    try:
        async with client, asyncio.timeout(MOMENTS_SECONDS):
            await client.subjects()
    except TimeoutError:
        return "it takes too long"
    except SchemaRegistryForbids as error:
        return f"to {client.access.who}: {error.details['reason']}"
    except SchemaRegistryUnreachable as error:
        return str(error.details["reason"])
    return ""


def _in_words(error: Exception) -> str:
    match error:
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return "that is no address such as http://host:port"
        case httpx.TimeoutException():
            return "it takes too long"
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return "its certificate is not trusted: SSL_CERT_FILE names a file of authorities"
        case httpx.ConnectError():
            return "no connection"
        case httpx.DecodingError():
            return "it does not answer as an HTTP server does"
    return "it broke off"


def _json_of(text: Any, schema_id: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise RecordUnreadable(schema_id=schema_id, reason="its schema is no Avro schema, for it is no JSON") from None


def _object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object in an answer; an empty one where it holds anything else, as from a proxy or a wrong address."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _code(answer: httpx.Response) -> int | None:
    """The registry's own error code, where the answer has one."""
    code = _object(answer).get("error_code")
    return code if isinstance(code, int) else None
